// SPDX-License-Identifier: Apache-2.0
// The network device chapter of virtio 1.4 (§5.1), typed a second time: feature bits, configuration, packet header,
// control commands, hash, statistics and flow filter numbers. No number here comes from assembly/abi.

import * as virtioNet from '../../assembly/abi/virtio_net.ts';
import type { SpecFile } from './spec_table.ts';

export const SPEC_NET: SpecFile = {
  file: 'virtio_net.ts',
  abi: virtioNet,
  blocks: [
    {
      table: 'NET_CFG',
      prefix: 'VIRTIO_NET_CFG_',
      lines: `
        0 6 mac RO
        6 2 status RO
        8 2 max_virtqueue_pairs RO
        10 2 mtu RO
        12 4 speed RO
        16 1 duplex RO
        17 1 rss_max_key_size RO
        18 2 rss_max_indirection_table_length RO
        20 4 supported_hash_types RO
        24 4 supported_tunnel_types RO`,
    },
    {
      table: 'NET_LEGACY_CFG',
      prefix: 'VIRTIO_NET_CFG_',
      lines: `
        0 6 mac RW
        6 2 status RO
        8 2 max_virtqueue_pairs RO
        10 2 mtu RO`,
    },
    {
      table: 'NET_HDR',
      prefix: 'VIRTIO_NET_HDR_',
      lines: `
        0 1 flags RW
        1 1 gso_type RW
        2 2 hdr_len RW
        4 2 gso_size RW
        6 2 csum_start RW
        8 2 csum_offset RW
        10 2 num_buffers RW`,
    },
  ],
  numbers: [
    ['VIRTIO_ID_', '1 NET'],
    [
      'VIRTIO_NET_F_',
      `0 CSUM 1 GUEST_CSUM 2 CTRL_GUEST_OFFLOADS 3 MTU 5 MAC 6 GSO 7 GUEST_TSO4 8 GUEST_TSO6 9 GUEST_ECN 10 GUEST_UFO
       11 HOST_TSO4 12 HOST_TSO6 13 HOST_ECN 14 HOST_UFO 15 MRG_RXBUF 16 STATUS 17 CTRL_VQ 18 CTRL_RX 19 CTRL_VLAN
       20 CTRL_RX_EXTRA 21 GUEST_ANNOUNCE 22 MQ 23 CTRL_MAC_ADDR 41 GUEST_RSC4 42 GUEST_RSC6 50 DEVICE_STATS
       51 HASH_TUNNEL 52 VQ_NOTF_COAL 53 NOTF_COAL 54 GUEST_USO4 55 GUEST_USO6 56 HOST_USO 57 HASH_REPORT
       59 GUEST_HDRLEN 60 RSS 61 RSC_EXT 62 STANDBY 63 SPEED_DUPLEX 64 RSS_CONTEXT 65 GUEST_UDP_TUNNEL_GSO
       66 GUEST_UDP_TUNNEL_GSO_CSUM 67 HOST_UDP_TUNNEL_GSO 68 HOST_UDP_TUNNEL_GSO_CSUM 69 OUT_NET_HEADER 70 IPSEC`,
    ],
    ['VIRTIO_NET_', '28 CFG_SIZE 6 MAC_SIZE 1 S_LINK_UP 2 S_ANNOUNCE'],
    ['VIRTIO_NET_', '0x7fffffff SPEED_MAX 0xffffffff SPEED_UNKNOWN 0 DUPLEX_HALF 1 DUPLEX_FULL 0xff DUPLEX_UNKNOWN'],
    [
      'VIRTIO_NET_HDR_',
      `12 HASH_VALUE 16 HASH_REPORT 18 PADDING_RESERVED 20 OUTER_TH_OFFSET 22 INNER_NH_OFFSET 24 OUTER_NH_OFFSET
       26 PADDING_RESERVED_2 26 RESOURCE_ID 30 RESOURCE_TYPE
       10 SIZE_LEGACY 12 SIZE 20 SIZE_HASH 24 SIZE_TUNNEL 32 SIZE_OUTER`,
    ],
    [
      'VIRTIO_NET_HDR_F_',
      `1 NEEDS_CSUM 2 DATA_VALID 4 RSC_INFO 8 UDP_TUNNEL_CSUM 16 SECURITY 32 SECURITY_ERR
       64 SECURITY_SA_SOFT_EXPIRY_WARN`,
    ],
    ['VIRTIO_NET_HDR_GSO_', '0 NONE 1 TCPV4 3 UDP 4 TCPV6 5 UDP_L4 0x20 UDP_TUNNEL_IPV4 0x40 UDP_TUNNEL_IPV6 0x80 ECN'],
    ['VIRTIO_NET_', '0 OK 1 ERR'],
    [
      'VIRTIO_NET_CTRL_',
      `0 HDR_CLASS 1 HDR_COMMAND 2 HDR_SIZE
       0 RX 0 RX_PROMISC 1 RX_ALLMULTI 2 RX_ALLUNI 3 RX_NOMULTI 4 RX_NOUNI 5 RX_NOBCAST
       1 MAC 0 MAC_TABLE_SET 1 MAC_ADDR_SET
       2 VLAN 0 VLAN_ADD 1 VLAN_DEL
       3 ANNOUNCE 0 ANNOUNCE_ACK
       4 MQ 0 MQ_VQ_PAIRS_SET 1 MQ_RSS_CONFIG 2 MQ_HASH_CONFIG 1 MQ_VQ_PAIRS_MIN 0x8000 MQ_VQ_PAIRS_MAX
       5 GUEST_OFFLOADS 0 GUEST_OFFLOADS_SET 46 GUEST_OFFLOADS_UDP_TUNNEL_GSO 47 GUEST_OFFLOADS_UDP_TUNNEL_GSO_CSUM
       6 NOTF_COAL 0 NOTF_COAL_TX_SET 1 NOTF_COAL_RX_SET 2 NOTF_COAL_VQ_SET 3 NOTF_COAL_VQ_GET
       7 HASH_TUNNEL 0 HASH_TUNNEL_SET
       8 STATS 0 STATS_QUERY 1 STATS_GET`,
    ],
    ['VIRTIO_NET_RSS_CTX_', '9 CTRL 0 CTRL_CAP_GET 1 CTRL_ADD 2 CTRL_MOD 3 CTRL_DEL'],
    [
      'VIRTIO_NET_HASH_TYPE_',
      '0x1 IPV4 0x2 TCPV4 0x4 UDPV4 0x8 IPV6 0x10 TCPV6 0x20 UDPV6 0x40 IP_EX 0x80 TCP_EX 0x100 UDP_EX',
    ],
    ['VIRTIO_NET_HASH_REPORT_', '0 NONE 1 IPV4 2 TCPV4 3 UDPV4 4 IPV6 5 TCPV6 6 UDPV6 7 IP_EX 8 TCP_EX 9 UDP_EX'],
    [
      'VIRTIO_NET_HASH_TUNNEL_TYPE_',
      `0x1 GRE_2784 0x2 GRE_2890 0x4 GRE_7676 0x8 GRE_UDP 0x10 VXLAN 0x20 VXLAN_GPE 0x40 GENEVE 0x80 IPIP
       0x100 NVGRE`,
    ],
    [
      'VIRTIO_NET_STATS_',
      `0 TYPE_RX_BASIC 1 TYPE_RX_CSUM 2 TYPE_RX_GSO 3 TYPE_RX_SPEED 16 TYPE_TX_BASIC 17 TYPE_TX_CSUM 18 TYPE_TX_GSO
       19 TYPE_TX_SPEED 32 TYPE_CVQ 16 REQUEST_SIZE 8 REPLY_HEADER_SIZE`,
    ],
    ['VIRTIO_NET_FF_MASK_TYPE_', '1 ETH 2 IPV4 3 IPV6 4 TCP 5 UDP 6 ESP'],
    ['VIRTIO_NET_FF_ACTION_', '1 DROP 2 DIRECT_RX_VQ 3 IPSEC 4 IPSEC_RECIRCULATE'],
  ],
};
