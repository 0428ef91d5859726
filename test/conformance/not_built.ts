// SPDX-License-Identifier: Apache-2.0
// Requirements without a test, and why. An entry is an id, or a prefix that ends in '*' for all of its ids.

export interface NotBuilt {
  readonly ids: readonly string[];
  readonly reason: string;
}

export const NOT_BUILT: readonly NotBuilt[] = [
  {
    ids: ['ADM-CAP-*', 'ADM-RES-*', 'ADM-PARTS-*'],
    reason: 'capabilities, resource objects and device parts are not offered by LIST_QUERY',
  },
  { ids: ['ADM-CMD-19'], reason: 'option not taken: the command list of the card never grows' },
  { ids: ['ADM-CMD-22'], reason: 'there is no firmware to update, so no list ever becomes invalid' },
  { ids: ['ADM-VQ-11'], reason: 'the card has one admin queue' },
  { ids: ['ADM-VQ-12'], reason: 'no command of the card ends in EAGAIN or ENOMEM' },
  { ids: ['GEN-SUSPEND-*'], reason: 'VIRTIO_F_SUSPEND is not offered' },
  { ids: ['GEN-RSVFEAT-05'], reason: 'VIRTIO_F_IN_ORDER is not offered' },
  { ids: ['GEN-RSVFEAT-07'], reason: 'option not taken: there is no slower mode without ORDER_PLATFORM' },
  { ids: ['LEG-NETOFF-01'], reason: 'VIRTIO_NET_F_CTRL_GUEST_OFFLOADS is not offered' },
  { ids: ['LEG-NETVLAN-01', 'NET-VLAN-02', 'NET-VLAN-03'], reason: 'VIRTIO_NET_F_CTRL_VLAN is not offered' },
  { ids: ['LEG-NETMAC-03'], reason: 'option not taken: packets are received while a mac is being written' },
  { ids: ['LEG-RSVFEAT-01', 'LEG-RSVFEAT-02'], reason: 'option not taken: NOTIFY_ON_EMPTY is not offered' },
  { ids: ['NET-ANNOUNCE-01'], reason: 'VIRTIO_NET_F_GUEST_ANNOUNCE is not offered' },
  {
    ids: ['NET-CFG-07', 'NET-CFG-08', 'NET-RSS-*', 'NET-RSSCTX-*', 'NET-INNERHASH-*'],
    reason: 'receive side scaling, hash reports and tunnel hashes are not offered',
  },
  { ids: ['NET-CFG-09'], reason: 'VIRTIO_NET_F_STANDBY is not offered' },
  { ids: ['NET-CFG-10', 'NET-CFG-11', 'NET-CFG-12'], reason: 'VIRTIO_NET_F_SPEED_DUPLEX is not offered' },
  { ids: ['NET-COAL-*'], reason: 'notification coalescing is not offered' },
  { ids: ['NET-FF-*'], reason: 'the flow filter, a capability, is not offered' },
  {
    ids: ['NET-IPSEC-*', 'NET-RX-39', 'NET-RX-40', 'NET-RX-41', 'NET-RX-42', 'NET-RX-43', 'NET-RX-44', 'NET-RX-45'],
    reason: 'VIRTIO_NET_F_IPSEC is not offered',
  },
  { ids: ['NET-TX-15', 'NET-TEXT-01'], reason: 'VIRTIO_NET_F_IPSEC is not offered' },
  {
    ids: ['NET-RX-14', 'NET-RX-17', 'NET-RX-18', 'NET-RX-19', 'NET-RX-20', 'NET-RX-27', 'NET-RX-28', 'NET-RX-29'],
    reason: 'checksum and segmentation offloads are not offered',
  },
  {
    ids: ['NET-RX-31', 'NET-RX-32', 'NET-RX-33', 'NET-RX-34', 'NET-TX-05', 'NET-TX-06', 'NET-TEXT-03'],
    reason: 'checksum and segmentation offloads are not offered',
  },
  {
    ids: ['NET-RX-22', 'NET-RX-23', 'NET-RX-24', 'NET-RX-35', 'NET-RX-36', 'NET-RX-37', 'NET-RX-38', 'NET-TEXT-04'],
    reason: 'UDP tunnel offloads are not offered',
  },
  { ids: ['NET-RX-15', 'NET-TX-03', 'NET-TEXT-02'], reason: 'VIRTIO_NET_F_OUT_NET_HEADER is not offered' },
  {
    ids: ['NET-RXFILTER-03', 'NET-RXFILTER-05', 'NET-RXFILTER-06', 'NET-RXFILTER-07', 'NET-RXFILTER-08'],
    reason: 'VIRTIO_NET_F_CTRL_RX_EXTRA is not offered',
  },
  {
    ids: ['NET-RXFILTER-09', 'NET-RXFILTER-10', 'NET-RXFILTER-11', 'NET-RXFILTER-12', 'NET-RXFILTER-13'],
    reason: 'VIRTIO_NET_F_CTRL_RX_EXTRA is not offered',
  },
  { ids: ['NET-STATS-*'], reason: 'VIRTIO_NET_F_DEVICE_STATS is not offered' },
  {
    ids: ['NET-TEXT-05', 'NET-TEXT-06', 'NET-TEXT-07', 'NET-TEXT-13'],
    reason: 'VIRTIO_NET_F_HASH_REPORT is not offered',
  },
  { ids: ['NET-TEXT-11'], reason: 'not followed: steering is a hash of the flow and learns nothing from transmission' },
  {
    ids: ['PCI-CAP-02', 'PCI-TEXT-02', 'PCI-TEXT-03', 'PCI-TEXT-04'],
    reason: 'option not taken: structures have their exact length and there is one of each type',
  },
  {
    ids: ['PCI-NOTIFY-07', 'PCI-NOTIFY-08', 'PCI-NOTIFY-09', 'PCI-NOTIFY-10', 'PCI-NOTIFY-11'],
    reason: 'VIRTIO_F_NOTIFICATION_DATA is not offered',
  },
  {
    ids: ['PCI-NTLEG-*'],
    reason: 'no platform had a legacy driver for 0x1041, and a VF cannot have an I/O BAR',
  },
  { ids: ['PCI-TEXT-01'], reason: 'option not taken: the device id is 0x1041; the variant driver shows 0x1000' },
  {
    ids: ['SPLIT-AVAILNOTIF-02', 'SPLIT-DESC-03', 'SPLIT-TEXT-01', 'SPLIT-TEXT-02', 'SPLIT-USED-03'],
    reason: 'option of the device that leaves a driver nothing to observe',
  },
  { ids: ['PCI-TEXT-06', 'PCI-VENDOR-*'], reason: 'there is no vendor data capability' },
];
