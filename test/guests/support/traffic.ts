// SPDX-License-Identifier: Apache-2.0
// Traffic between a guest and the host: echo requests, and files over HTTP with their checksums.
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Guest } from './guest.ts';
import { HOST_ADDRESS, type HostNetwork, PREFIX_LENGTH } from './network.ts';
import { inTree, TREE } from './tree.ts';

const HTTP_PORT = 8000;
/** Where a guest finds what shareFile() offers. */
export const SHARED_FILE_URL = `http://${HOST_ADDRESS}:${HTTP_PORT}/file`;
const TRANSFER_TIMEOUT_MS = 240_000;

export interface PingStatistics {
  readonly sent: number;
  readonly received: number;
  readonly minMs: number;
  readonly avgMs: number;
  readonly maxMs: number;
}

/** Brings the guest's interface up with an address. */
export async function configure(guest: Guest, address: string): Promise<void> {
  await guest.run(`ip address add ${address}/${PREFIX_LENGTH} dev eth0; ip link set eth0 up`);
}

/** Sends echo requests, each as soon as the reply to the one before is in. */
export async function ping(guest: Guest, address: string, count: number): Promise<PingStatistics> {
  const { output } = await guest.tryRun(`ping -q -A -c ${count} -W 2 ${address}`, 120_000);
  const packets = /(\d+) packets transmitted, (\d+) packets received/.exec(output);
  const times = /= ([\d.]+)\/([\d.]+)\/([\d.]+) ms/.exec(output);
  if (packets === null) throw new Error(`ping says: ${output}`);
  const [minMs = NaN, avgMs = NaN, maxMs = NaN] = times?.slice(1).map(Number) ?? [];
  return { sent: Number(packets[1]), received: Number(packets[2]), minMs, avgMs, maxMs };
}

/** A file that the host offers over HTTP. */
export interface SharedFile {
  readonly bytes: number;
  readonly sha256: string;
}

/** Makes a file of random bytes in a folder of the tree and offers it for as long as the network is there. */
export function shareFile(network: HostNetwork, folder: string, bytes: number): SharedFile {
  const content = randomBytes(bytes);
  const www = join(folder, 'www');
  mkdirSync(join(TREE, www));
  writeFileSync(join(TREE, www, 'file'), content);
  network.run(inTree(['busybox', 'httpd', '-p', `${HOST_ADDRESS}:${HTTP_PORT}`, '-h', www])); // returns when it listens
  return { bytes, sha256: createHash('sha256').update(content).digest('hex') };
}

/** What a transfer brought: the checksum at the receiver, and the rate as the host sees it. */
export interface Transfer {
  readonly sha256: string;
  readonly megabytesPerSecond: number;
}

/** The guest fetches the host's file and keeps it. */
export async function download(guest: Guest, file: SharedFile): Promise<Transfer> {
  const began = performance.now();
  await guest.run(`wget -q -O /www/file ${SHARED_FILE_URL}`, TRANSFER_TIMEOUT_MS);
  const ms = performance.now() - began;
  const sha256 = (await guest.run('sha256sum /www/file', TRANSFER_TIMEOUT_MS)).slice(0, 64);
  return { sha256, megabytesPerSecond: file.bytes / 1000 / ms };
}

/** The host fetches the file that the guest has. */
export async function upload(network: HostNetwork, guest: Guest, address: string): Promise<Transfer> {
  await guest.run(`pidof httpd || httpd -p ${HTTP_PORT} -h /www`);
  const began = performance.now();
  const client = network.spawn(inTree(['busybox', 'wget', '-q', '-O', '-', `http://${address}:${HTTP_PORT}/file`]), {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: TRANSFER_TIMEOUT_MS,
  });
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of client.stdout as AsyncIterable<Buffer>) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { sha256: hash.digest('hex'), megabytesPerSecond: bytes / 1000 / (performance.now() - began) };
}

/** The host sends echo requests, each as soon as the reply to the one before is in. */
export function pingFromHost(network: HostNetwork, address: string, count: number): { sent: number; received: number } {
  const command = `busybox ping -q -A -c ${count} -W 2 ${address} || true`; // replies that are missing are counted, too
  const output = network.run(inTree(['sh', '-c', command]), 120_000);
  const packets = /(\d+) packets transmitted, (\d+) packets received/.exec(output);
  if (packets === null) throw new Error(`ping says: ${output}`);
  return { sent: Number(packets[1]), received: Number(packets[2]) };
}
