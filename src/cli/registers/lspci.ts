// SPDX-License-Identifier: Apache-2.0
// `virtfn lspci`: the functions of a card whose PF driver runs and whose VFs are enabled. The PF is shown as its driver
// sees it, VFs as vfio-pci presents them; --hex is the form in which pciutils writes and reads configuration space.
import { Command, Option } from 'commander';

import { PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR } from '../../../assembly/abi/pci_express.ts';
import {
  PCI_BASE_ADDRESS_MEM_PREFETCH,
  PCI_CLASS_DEVICE,
  PCI_DEVICE_ID,
  PCI_REVISION_ID,
  PCI_SUBSYSTEM_ID,
  PCI_SUBSYSTEM_VENDOR_ID,
  PCI_VENDOR_ID,
} from '../../../assembly/abi/pci_header.ts';
import { PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_QSIZE_MASK } from '../../../assembly/abi/pci_msix.ts';
import {
  PCI_SRIOV_NUM_VF,
  PCI_SRIOV_TOTAL_VF,
  PCI_SRIOV_VF_OFFSET,
  PCI_SRIOV_VF_STRIDE,
} from '../../../assembly/abi/pci_sriov.ts';
import { Machine } from '../../machine/machine.ts';
import { VFIO_PCI_CONFIG_REGION_INDEX } from '../../vfio/vfio_device.ts';
import { VfioPci } from '../../vfio/vfio_pci.ts';
import { addressText } from '../../util/address_text.ts';
import { ConfigSpace, hex, type Capability } from './config_space.ts';
import { withCardOptions } from '../kit/card_options.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { jsonOption } from '../kit/json_option.ts';
import { vfsOption, wholeNumber } from '../kit/options.ts';
import { grouped } from '../kit/output.ts';

const SCHEMA = 'virtfn.lspci/1';
const KIB = 1024;
const LINE_BYTES = 16;

interface LspciArguments {
  readonly hex?: true;
  readonly json?: string;
  readonly vfs: number;
  readonly offset: number;
  readonly stride: number;
}

interface FunctionBar {
  readonly index: number;
  readonly address: number;
  readonly bytes: number;
  readonly isPrefetchable: boolean;
}

/** One function, as a host finds it. */
interface ListedFunction {
  readonly name: string;
  readonly address: string;
  readonly config: ConfigSpace;
  readonly bars: readonly FunctionBar[];
}

/** The verb. */
export function lspciCommand(): Command {
  return new Command('lspci')
    .description('list PF and VFs with ids, BARs and capabilities')
    .addOption(
      new Option('--hex', 'print configuration space in the form of lspci -xxxx, to be read by lspci -F').conflicts(
        'json',
      ),
    )
    .addOption(vfsOption())
    .option('--offset <n>', 'First VF Offset: routing id of VF 1 less that of the PF', wholeNumber(1, 0xffff), 1)
    .option('--stride <n>', 'VF Stride', wholeNumber(1, 0xffff), 1)
    .addOption(jsonOption(SCHEMA))
    .addHelpText(
      'after',
      `
The PF's driver runs and all VFs are enabled. The PF is shown in the hardware's own view, VFs in that of vfio-pci.

Examples:
  virtfn lspci --vfs 2
  virtfn lspci --hex > card.txt && lspci -F card.txt -vvv
  virtfn lspci --vfs 300 --offset 256 --json`,
    )
    .action((options: LspciArguments) => {
      const files = new CommandFiles({}, { '--json': options.json });
      const functions = listFunctions(options);
      files.report({ schema: SCHEMA, functions: functions.map(jsonOf) }, () =>
        options.hex ? functions.map(hexText).join('\n') : functions.map(listingText).join('\n'),
      );
    });
}

function listFunctions({ vfs, offset, stride }: LspciArguments): ListedFunction[] {
  const machine = withCardOptions(
    { totalVfs: '--vfs', firstVfOffset: '--offset', vfStride: '--stride' },
    () => new Machine({ mode: 'functional', totalVfs: vfs, firstVfOffset: offset, vfStride: stride }),
  );
  const { nic, bus } = machine;
  return Array.from({ length: vfs + 1 }, (_, fn) => {
    const device = new VfioPci(nic, fn, bus, fn === 0 ? 'hardware' : 'vfio');
    return {
      name: fn === 0 ? 'PF' : `VF ${fn}`,
      address: addressText(device.requesterId),
      config: new ConfigSpace((at) => device.read(VFIO_PCI_CONFIG_REGION_INDEX, at, 4)),
      bars: (fn === 0 ? bus.pf : bus.vf).map(({ index, bytes, flags, address }) => ({
        index,
        address: address + Math.max(fn - 1, 0) * bytes,
        bytes,
        isPrefetchable: (flags & PCI_BASE_ADDRESS_MEM_PREFETCH) !== 0,
      })),
    };
  });
}

function hexText({ name, address, config }: ListedFunction): string {
  const lines = [`${address} Ethernet controller: virtfn virtio network ${name}`];
  for (let at = 0; at < config.bytes.length; at += LINE_BYTES) {
    const bytes = [...config.bytes.subarray(at, at + LINE_BYTES)].map((byte) => byte.toString(16).padStart(2, '0'));
    lines.push(`${at.toString(16).padStart(2, '0')}: ${bytes.join(' ')}`);
  }
  return `${lines.join('\n')}\n`;
}

function listingText({ name, address, config, bars }: ListedFunction): string {
  const id = (at: number): string => config.u16(at).toString(16).padStart(4, '0');
  const head =
    `${address} ${name}: Ethernet controller [${id(PCI_CLASS_DEVICE)}]: ${id(PCI_VENDOR_ID)}:${id(PCI_DEVICE_ID)}` +
    ` (rev ${config.u8(PCI_REVISION_ID).toString(16).padStart(2, '0')},` +
    ` subsystem ${id(PCI_SUBSYSTEM_VENDOR_ID)}:${id(PCI_SUBSYSTEM_ID)})`;
  const memory = bars.map(({ index, address: at, bytes }) => `BAR${index} ${grouped(bytes / KIB)} KiB at ${hex(at)}`);
  const texts = (isExtended: boolean): string =>
    config.capabilities
      .filter((capability) => capability.isExtended === isExtended)
      .map((capability) => capabilityText(config, capability))
      .join(', ');
  return `${head}\n    ${memory.join(', ')}\n    ${texts(false)}\n    ${texts(true)}`;
}

function capabilityText(config: ConfigSpace, { offset, name, block }: Capability): string {
  const place = `${offset.toString(16)} ${name}`;
  switch (block) {
    case 'pci_msix':
      return `${place} (${(config.u16(offset + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE_MASK) + 1} vectors)`;
    case 'pci_express':
      return (config.u32(offset + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR) === 0 ? place : `${place} (FLR)`;
    case 'pci_sriov': {
      const field = (at: number): string => grouped(config.u16(offset + at));
      const vfs = `${field(PCI_SRIOV_NUM_VF)} of ${field(PCI_SRIOV_TOTAL_VF)} VFs`;
      return `${place} (${vfs}, offset ${field(PCI_SRIOV_VF_OFFSET)}, stride ${field(PCI_SRIOV_VF_STRIDE)})`;
    }
    default:
      return place;
  }
}

function jsonOf({ name, address, config, bars }: ListedFunction): object {
  const id = (at: number): string => hex(config.u16(at), 4);
  return {
    function: name.replace(' ', '').toLowerCase(),
    address,
    vendorId: id(PCI_VENDOR_ID),
    deviceId: id(PCI_DEVICE_ID),
    subsystemVendorId: id(PCI_SUBSYSTEM_VENDOR_ID),
    subsystemId: id(PCI_SUBSYSTEM_ID),
    classCode: id(PCI_CLASS_DEVICE),
    revision: config.u8(PCI_REVISION_ID),
    bars: bars.map((bar) => ({ ...bar, address: hex(bar.address) })),
    capabilities: config.capabilities.map(({ offset, id: capability, isExtended, name: title }) => ({
      offset: hex(offset),
      id: hex(capability, isExtended ? 4 : 2),
      isExtended,
      name: title,
    })),
  };
}
