// SPDX-License-Identifier: Apache-2.0
// An archive that the kernel unpacks into its first root: cpio in the "newc" form (early-userspace/buffer-format of the kernel's
// documentation). Times, owners and numbers are always the same, so equal contents are equal bytes, and devices need no root.
const MAGIC = '070701';
const ALIGN = 4;
const TRAILER = 'TRAILER!!!';
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFCHR = 0o020000;
const S_IFLNK = 0o120000;

export type CpioEntry = { readonly path: string; readonly mode: number } & (
  | { readonly kind: 'folder' }
  | { readonly kind: 'file'; readonly content: Uint8Array }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'device'; readonly major: number; readonly minor: number }
);

const TYPES: Readonly<Record<CpioEntry['kind'], number>> = {
  folder: S_IFDIR,
  file: S_IFREG,
  link: S_IFLNK,
  device: S_IFCHR,
};

/** The archive; folders stand before what lies in them. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.flatMap((entry, i) => record(i + 1, entry));
  return Buffer.concat([...parts, ...record(0, { kind: 'file', path: TRAILER, mode: 0, content: new Uint8Array() })]);
}

function record(inode: number, entry: CpioEntry): Buffer[] {
  const content = contentOf(entry);
  const name = Buffer.from(`${entry.path}\0`);
  const { major, minor } = entry.kind === 'device' ? entry : { major: 0, minor: 0 };
  const mode = entry.path === TRAILER ? 0 : TYPES[entry.kind] | entry.mode;
  // inode, mode, uid, gid, links, mtime, size, device, device of the node, length of the name, checksum
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, major, minor, name.length, 0];
  const head = Buffer.from(MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join(''));
  return [padded(Buffer.concat([head, name])), padded(content)];
}

function contentOf(entry: CpioEntry): Uint8Array {
  if (entry.kind === 'file') return entry.content;
  return entry.kind === 'link' ? Buffer.from(entry.target) : new Uint8Array();
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & (ALIGN - 1))]);
}
