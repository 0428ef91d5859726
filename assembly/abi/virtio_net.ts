// SPDX-License-Identifier: Apache-2.0
// Network device: feature bit numbers, configuration space, packet header, control commands. virtio 1.4 §5.1.
//
//   config   0x00 | mac (6) | status |  0x08 | max_virtqueue_pairs | mtu | speed |
//            0x10 | duplex | rss_max_key_size | rss_max_indirection_table_length | supported_hash_types |  0x18 | supported_tunnel_types |
//   header   | flags | gso_type | hdr_len | gso_size | csum_start | csum_offset | num_buffers | hash ... | tunnel ... | outer ... |

import { RO, RW } from './register_row.ts';

export const VIRTIO_ID_NET = 1;

// Feature bit numbers
export const VIRTIO_NET_F_CSUM = 0;
export const VIRTIO_NET_F_GUEST_CSUM = 1;
export const VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 2;
export const VIRTIO_NET_F_MTU = 3;
export const VIRTIO_NET_F_MAC = 5;
export const VIRTIO_NET_F_GSO = 6; // legacy only
export const VIRTIO_NET_F_GUEST_TSO4 = 7;
export const VIRTIO_NET_F_GUEST_TSO6 = 8;
export const VIRTIO_NET_F_GUEST_ECN = 9;
export const VIRTIO_NET_F_GUEST_UFO = 10;
export const VIRTIO_NET_F_HOST_TSO4 = 11;
export const VIRTIO_NET_F_HOST_TSO6 = 12;
export const VIRTIO_NET_F_HOST_ECN = 13;
export const VIRTIO_NET_F_HOST_UFO = 14;
export const VIRTIO_NET_F_MRG_RXBUF = 15;
export const VIRTIO_NET_F_STATUS = 16;
export const VIRTIO_NET_F_CTRL_VQ = 17;
export const VIRTIO_NET_F_CTRL_RX = 18;
export const VIRTIO_NET_F_CTRL_VLAN = 19;
export const VIRTIO_NET_F_CTRL_RX_EXTRA = 20;
export const VIRTIO_NET_F_GUEST_ANNOUNCE = 21;
export const VIRTIO_NET_F_MQ = 22;
export const VIRTIO_NET_F_CTRL_MAC_ADDR = 23;
export const VIRTIO_NET_F_GUEST_RSC4 = 41; // legacy only; bit 41 is VIRTIO_F_ADMIN_VQ now
export const VIRTIO_NET_F_GUEST_RSC6 = 42; // legacy only
export const VIRTIO_NET_F_DEVICE_STATS = 50;
export const VIRTIO_NET_F_HASH_TUNNEL = 51;
export const VIRTIO_NET_F_VQ_NOTF_COAL = 52;
export const VIRTIO_NET_F_NOTF_COAL = 53;
export const VIRTIO_NET_F_GUEST_USO4 = 54;
export const VIRTIO_NET_F_GUEST_USO6 = 55;
export const VIRTIO_NET_F_HOST_USO = 56;
export const VIRTIO_NET_F_HASH_REPORT = 57;
export const VIRTIO_NET_F_GUEST_HDRLEN = 59;
export const VIRTIO_NET_F_RSS = 60;
export const VIRTIO_NET_F_RSC_EXT = 61;
export const VIRTIO_NET_F_STANDBY = 62;
export const VIRTIO_NET_F_SPEED_DUPLEX = 63;
export const VIRTIO_NET_F_RSS_CONTEXT = 64;
export const VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO = 65;
export const VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM = 66;
export const VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO = 67;
export const VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM = 68;
export const VIRTIO_NET_F_OUT_NET_HEADER = 69;
export const VIRTIO_NET_F_IPSEC = 70;

// struct virtio_net_config
export const VIRTIO_NET_CFG_MAC = 0; // u8[6]
export const VIRTIO_NET_CFG_MAC_HI = 4; // its last two bytes
export const VIRTIO_NET_CFG_STATUS = 6; // le16
export const VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS = 8; // le16
export const VIRTIO_NET_CFG_MTU = 10; // le16
export const VIRTIO_NET_CFG_SPEED = 12; // le32, Mbit/s
export const VIRTIO_NET_CFG_DUPLEX = 16; // u8
export const VIRTIO_NET_CFG_RSS_MAX_KEY_SIZE = 17; // u8
export const VIRTIO_NET_CFG_RSS_MAX_INDIRECTION_TABLE_LENGTH = 18; // le16
export const VIRTIO_NET_CFG_SUPPORTED_HASH_TYPES = 20; // le32
export const VIRTIO_NET_CFG_SUPPORTED_TUNNEL_TYPES = 24; // le32
export const VIRTIO_NET_CFG_SIZE = 28;
export const VIRTIO_NET_MAC_SIZE = 6;

export const VIRTIO_NET_S_LINK_UP = 1 << 0;
export const VIRTIO_NET_S_ANNOUNCE = 1 << 1;
export const VIRTIO_NET_SPEED_MAX = 0x7fffffff;
export const VIRTIO_NET_SPEED_UNKNOWN = 0xffffffff;
export const VIRTIO_NET_DUPLEX_HALF = 0; // the device rule of 1.4 swaps the two; the field text says this
export const VIRTIO_NET_DUPLEX_FULL = 1;
export const VIRTIO_NET_DUPLEX_UNKNOWN = 0xff;

// prettier-ignore
export const NET_CFG: StaticArray<u32> = [ // offset, width, access, reset, write mask
  VIRTIO_NET_CFG_MAC, 4, RO, 0, 0,
  VIRTIO_NET_CFG_MAC_HI, 2, RO, 0, 0,
  VIRTIO_NET_CFG_STATUS, 2, RO, 0, 0,
  VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS, 2, RO, 0, 0,
  VIRTIO_NET_CFG_MTU, 2, RO, 0, 0,
  VIRTIO_NET_CFG_SPEED, 4, RO, 0, 0,
  VIRTIO_NET_CFG_DUPLEX, 1, RO, 0, 0,
  VIRTIO_NET_CFG_RSS_MAX_KEY_SIZE, 1, RO, 0, 0,
  VIRTIO_NET_CFG_RSS_MAX_INDIRECTION_TABLE_LENGTH, 2, RO, 0, 0,
  VIRTIO_NET_CFG_SUPPORTED_HASH_TYPES, 4, RO, 0, 0,
  VIRTIO_NET_CFG_SUPPORTED_TUNNEL_TYPES, 4, RO, 0, 0,
];

// What a legacy driver sees: mac is writable, and the fields that came with version 1 features are absent.
// prettier-ignore
export const NET_LEGACY_CFG: StaticArray<u32> = [
  VIRTIO_NET_CFG_MAC, 4, RW, 0, 0xffffffff,
  VIRTIO_NET_CFG_MAC_HI, 2, RW, 0, 0xffff,
  VIRTIO_NET_CFG_STATUS, 2, RO, 0, 0,
  VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS, 2, RO, 0, 0,
  VIRTIO_NET_CFG_MTU, 2, RO, 0, 0,
];

// struct virtio_net_hdr
export const VIRTIO_NET_HDR_FLAGS = 0; // u8
export const VIRTIO_NET_HDR_GSO_TYPE = 1; // u8
export const VIRTIO_NET_HDR_HDR_LEN = 2; // le16
export const VIRTIO_NET_HDR_GSO_SIZE = 4; // le16
export const VIRTIO_NET_HDR_CSUM_START = 6; // le16
export const VIRTIO_NET_HDR_CSUM_OFFSET = 8; // le16
export const VIRTIO_NET_HDR_NUM_BUFFERS = 10; // le16
export const VIRTIO_NET_HDR_HASH_VALUE = 12; // le32, HASH_REPORT
export const VIRTIO_NET_HDR_HASH_REPORT = 16; // le16, HASH_REPORT
export const VIRTIO_NET_HDR_PADDING_RESERVED = 18; // le16, HASH_REPORT
export const VIRTIO_NET_HDR_OUTER_TH_OFFSET = 20; // le16, UDP tunnel
export const VIRTIO_NET_HDR_INNER_NH_OFFSET = 22; // le16, UDP tunnel
export const VIRTIO_NET_HDR_OUTER_NH_OFFSET = 24; // le16, OUT_NET_HEADER
export const VIRTIO_NET_HDR_PADDING_RESERVED_2 = 26; // u8[6]
export const VIRTIO_NET_HDR_RESOURCE_ID = 26; // le32, IPSEC
export const VIRTIO_NET_HDR_RESOURCE_TYPE = 30; // le16, IPSEC
export const VIRTIO_NET_HDR_SIZE_LEGACY = 10; // no num_buffers: legacy driver without MRG_RXBUF
export const VIRTIO_NET_HDR_SIZE = 12;
export const VIRTIO_NET_HDR_SIZE_HASH = 20;
export const VIRTIO_NET_HDR_SIZE_TUNNEL = 24;
export const VIRTIO_NET_HDR_SIZE_OUTER = 32;

// flags
export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1 << 0;
export const VIRTIO_NET_HDR_F_DATA_VALID = 1 << 1;
export const VIRTIO_NET_HDR_F_RSC_INFO = 1 << 2;
export const VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM = 1 << 3;
export const VIRTIO_NET_HDR_F_SECURITY = 1 << 4;
export const VIRTIO_NET_HDR_F_SECURITY_ERR = 1 << 5;
export const VIRTIO_NET_HDR_F_SECURITY_SA_SOFT_EXPIRY_WARN = 1 << 6;

// gso_type: a code in the low bits, and three flag bits
export const VIRTIO_NET_HDR_GSO_NONE = 0;
export const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
export const VIRTIO_NET_HDR_GSO_UDP = 3;
export const VIRTIO_NET_HDR_GSO_TCPV6 = 4;
export const VIRTIO_NET_HDR_GSO_UDP_L4 = 5;
export const VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 = 0x20;
export const VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6 = 0x40;
export const VIRTIO_NET_HDR_GSO_ECN = 0x80;

// The rows describe memory, so access is the driver's; on receive the device writes every field.
// prettier-ignore
export const NET_HDR: StaticArray<u32> = [
  VIRTIO_NET_HDR_FLAGS, 1, RW, 0, 0xff,
  VIRTIO_NET_HDR_GSO_TYPE, 1, RW, 0, 0xff,
  VIRTIO_NET_HDR_HDR_LEN, 2, RW, 0, 0xffff,
  VIRTIO_NET_HDR_GSO_SIZE, 2, RW, 0, 0xffff,
  VIRTIO_NET_HDR_CSUM_START, 2, RW, 0, 0xffff,
  VIRTIO_NET_HDR_CSUM_OFFSET, 2, RW, 0, 0xffff,
  VIRTIO_NET_HDR_NUM_BUFFERS, 2, RW, 0, 0xffff,
];

// Control queue: u8 class, u8 command, data, u8 ack
export const VIRTIO_NET_CTRL_HDR_CLASS = 0; // u8
export const VIRTIO_NET_CTRL_HDR_COMMAND = 1; // u8
export const VIRTIO_NET_CTRL_HDR_SIZE = 2;
export const VIRTIO_NET_OK = 0;
export const VIRTIO_NET_ERR = 1;

export const VIRTIO_NET_CTRL_RX = 0;
export const VIRTIO_NET_CTRL_RX_PROMISC = 0;
export const VIRTIO_NET_CTRL_RX_ALLMULTI = 1;
export const VIRTIO_NET_CTRL_RX_ALLUNI = 2;
export const VIRTIO_NET_CTRL_RX_NOMULTI = 3;
export const VIRTIO_NET_CTRL_RX_NOUNI = 4;
export const VIRTIO_NET_CTRL_RX_NOBCAST = 5;

export const VIRTIO_NET_CTRL_MAC = 1;
export const VIRTIO_NET_CTRL_MAC_TABLE_SET = 0;
export const VIRTIO_NET_CTRL_MAC_ADDR_SET = 1;

export const VIRTIO_NET_CTRL_VLAN = 2;
export const VIRTIO_NET_CTRL_VLAN_ADD = 0;
export const VIRTIO_NET_CTRL_VLAN_DEL = 1;

export const VIRTIO_NET_CTRL_ANNOUNCE = 3;
export const VIRTIO_NET_CTRL_ANNOUNCE_ACK = 0;

export const VIRTIO_NET_CTRL_MQ = 4;
export const VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET = 0;
export const VIRTIO_NET_CTRL_MQ_RSS_CONFIG = 1;
export const VIRTIO_NET_CTRL_MQ_HASH_CONFIG = 2;
export const VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN = 1;
export const VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX = 0x8000;

export const VIRTIO_NET_CTRL_GUEST_OFFLOADS = 5;
export const VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET = 0;
// bit numbers of the command's mask that differ from the feature bits of the same name
export const VIRTIO_NET_CTRL_GUEST_OFFLOADS_UDP_TUNNEL_GSO = 46;
export const VIRTIO_NET_CTRL_GUEST_OFFLOADS_UDP_TUNNEL_GSO_CSUM = 47;

export const VIRTIO_NET_CTRL_NOTF_COAL = 6;
export const VIRTIO_NET_CTRL_NOTF_COAL_TX_SET = 0;
export const VIRTIO_NET_CTRL_NOTF_COAL_RX_SET = 1;
export const VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET = 2;
export const VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET = 3;

export const VIRTIO_NET_CTRL_HASH_TUNNEL = 7;
export const VIRTIO_NET_CTRL_HASH_TUNNEL_SET = 0;

export const VIRTIO_NET_CTRL_STATS = 8;
export const VIRTIO_NET_CTRL_STATS_QUERY = 0;
export const VIRTIO_NET_CTRL_STATS_GET = 1;

export const VIRTIO_NET_RSS_CTX_CTRL = 9;
export const VIRTIO_NET_RSS_CTX_CTRL_CAP_GET = 0;
export const VIRTIO_NET_RSS_CTX_CTRL_ADD = 1;
export const VIRTIO_NET_RSS_CTX_CTRL_MOD = 2;
export const VIRTIO_NET_RSS_CTX_CTRL_DEL = 3;

// Hash types (bits) and their report codes (bit number + 1)
export const VIRTIO_NET_HASH_TYPE_IPV4 = 1 << 0;
export const VIRTIO_NET_HASH_TYPE_TCPV4 = 1 << 1;
export const VIRTIO_NET_HASH_TYPE_UDPV4 = 1 << 2;
export const VIRTIO_NET_HASH_TYPE_IPV6 = 1 << 3;
export const VIRTIO_NET_HASH_TYPE_TCPV6 = 1 << 4;
export const VIRTIO_NET_HASH_TYPE_UDPV6 = 1 << 5;
export const VIRTIO_NET_HASH_TYPE_IP_EX = 1 << 6;
export const VIRTIO_NET_HASH_TYPE_TCP_EX = 1 << 7;
export const VIRTIO_NET_HASH_TYPE_UDP_EX = 1 << 8;
export const VIRTIO_NET_HASH_REPORT_NONE = 0;
export const VIRTIO_NET_HASH_REPORT_IPV4 = 1;
export const VIRTIO_NET_HASH_REPORT_TCPV4 = 2;
export const VIRTIO_NET_HASH_REPORT_UDPV4 = 3;
export const VIRTIO_NET_HASH_REPORT_IPV6 = 4;
export const VIRTIO_NET_HASH_REPORT_TCPV6 = 5;
export const VIRTIO_NET_HASH_REPORT_UDPV6 = 6;
export const VIRTIO_NET_HASH_REPORT_IP_EX = 7;
export const VIRTIO_NET_HASH_REPORT_TCP_EX = 8;
export const VIRTIO_NET_HASH_REPORT_UDP_EX = 9;

// Tunnel types (bits)
export const VIRTIO_NET_HASH_TUNNEL_TYPE_GRE_2784 = 1 << 0;
export const VIRTIO_NET_HASH_TUNNEL_TYPE_GRE_2890 = 1 << 1;
export const VIRTIO_NET_HASH_TUNNEL_TYPE_GRE_7676 = 1 << 2;
export const VIRTIO_NET_HASH_TUNNEL_TYPE_GRE_UDP = 1 << 3;
export const VIRTIO_NET_HASH_TUNNEL_TYPE_VXLAN = 1 << 4;
export const VIRTIO_NET_HASH_TUNNEL_TYPE_VXLAN_GPE = 1 << 5;
export const VIRTIO_NET_HASH_TUNNEL_TYPE_GENEVE = 1 << 6;
export const VIRTIO_NET_HASH_TUNNEL_TYPE_IPIP = 1 << 7;
export const VIRTIO_NET_HASH_TUNNEL_TYPE_NVGRE = 1 << 8;

// Statistics types: bit number in the query, type code in the reply
export const VIRTIO_NET_STATS_TYPE_RX_BASIC = 0;
export const VIRTIO_NET_STATS_TYPE_RX_CSUM = 1;
export const VIRTIO_NET_STATS_TYPE_RX_GSO = 2;
export const VIRTIO_NET_STATS_TYPE_RX_SPEED = 3;
export const VIRTIO_NET_STATS_TYPE_TX_BASIC = 16;
export const VIRTIO_NET_STATS_TYPE_TX_CSUM = 17;
export const VIRTIO_NET_STATS_TYPE_TX_GSO = 18;
export const VIRTIO_NET_STATS_TYPE_TX_SPEED = 19;
export const VIRTIO_NET_STATS_TYPE_CVQ = 32;
export const VIRTIO_NET_STATS_REQUEST_SIZE = 16;
export const VIRTIO_NET_STATS_REPLY_HEADER_SIZE = 8;

// Flow filter selectors and actions
export const VIRTIO_NET_FF_MASK_TYPE_ETH = 1;
export const VIRTIO_NET_FF_MASK_TYPE_IPV4 = 2;
export const VIRTIO_NET_FF_MASK_TYPE_IPV6 = 3;
export const VIRTIO_NET_FF_MASK_TYPE_TCP = 4;
export const VIRTIO_NET_FF_MASK_TYPE_UDP = 5;
export const VIRTIO_NET_FF_MASK_TYPE_ESP = 6;
export const VIRTIO_NET_FF_ACTION_DROP = 1;
export const VIRTIO_NET_FF_ACTION_DIRECT_RX_VQ = 2;
export const VIRTIO_NET_FF_ACTION_IPSEC = 3;
export const VIRTIO_NET_FF_ACTION_IPSEC_RECIRCULATE = 4;
