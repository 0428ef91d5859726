// SPDX-License-Identifier: Apache-2.0
// Captures through a card: what comes out equals what went in, by both drivers, to a VF and to the wire, in both modes.
import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FrameCheck } from '../../src/machine/frame_check.ts';
import { Replay, type ReplayOptions } from '../../src/machine/replay.ts';
import { openCapture, type Capture } from '../../src/wire/capture.ts';
import type { PcapFrame } from '../../src/wire/frame_reader.ts';
import { encodePcap } from '../../src/wire/pcap.ts';
import { Blocks } from '../support/pcapng_blocks.ts';
import { repoPath } from '../support/repo.ts';

const PING_HTTP = openCapture(readFileSync(repoPath('test/fixtures/ping_http.pcap')), 'ping_http.pcap');
// From test/fixtures/README.md.
const PING_HTTP_FRAMES = 49;
const PING_HTTP_FILE_BYTES = 30_045;
const PING_HTTP_BYTES = PING_HTTP_FILE_BYTES - 24 - 16 * PING_HTTP_FRAMES;

const WAYS: readonly ReplayOptions[] = (['legacy', 'modern'] as const).flatMap((via) =>
  (['vf', 'wire'] as const).flatMap((to) => (['timed', 'functional'] as const).map((mode) => ({ via, to, mode }))),
);

const FIRST = { seconds: 7, nanoseconds: 999_999_000 };

function sourceOf(frames: readonly Uint8Array[]): { frames(): PcapFrame[] } {
  return { frames: () => frames.map((bytes) => ({ ...FIRST, bytes })) };
}

/** An Ethernet frame whose bytes follow from `seed`. */
function frame(to: string, bytes: number, seed = 0): Uint8Array {
  const data = Uint8Array.from({ length: bytes }, (_, i) => (i * 7 + seed * 31) & 0xff);
  const addresses = [...to.split(':').map((part) => Number.parseInt(part, 16)), 0x02, 0, 0, 0, 0, 0x01, 0x88, 0xb5];
  data.set(addresses.slice(0, bytes));
  return data;
}

/** Frames as hexadecimal digits, which compare faster than arrays. */
function digitsOf(frames: Iterable<PcapFrame>): string[] {
  return [...frames].map(({ bytes }) => digits(bytes));
}

function digits(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

describe('a capture of ping and HTTP', () => {
  it.each(WAYS)('comes out byte for byte and in order by $via to $to, $mode', (way) => {
    const replay = new Replay(PING_HTTP, way);

    const out = digitsOf(replay.frames());

    expect(out.length).toBe(PING_HTTP_FRAMES);
    expect(out).toEqual(digitsOf(PING_HTTP.frames()));
    expect(replay.report()).toMatchObject({
      ...way,
      input: { frames: PING_HTTP_FRAMES, bytes: PING_HTTP_BYTES },
      sent: { frames: PING_HTTP_FRAMES, bytes: PING_HTTP_BYTES },
      received: { frames: PING_HTTP_FRAMES, bytes: PING_HTTP_BYTES },
      drops: {},
      altered: 0,
      reordered: 0,
      isComplete: true,
    });
  });

  it('takes no admin command while frames flow, and many more to bring legacy drivers up', () => {
    const commands = (['legacy', 'modern'] as const).map((via) => {
      const replay = new Replay(PING_HTTP, { via });
      for (const _ of replay.frames());
      return replay.report().adminCommands;
    });

    expect(commands.map(({ replay }) => replay)).toEqual([0, 0]);
    expect(commands[1]!.bringUp).toBe(2); // LIST_QUERY and LIST_USE of the PF's driver
    expect(commands[0]!.bringUp).toBeGreaterThan(50);
  });
});

describe('the frames of a replay', () => {
  it('carry the first stamp plus the simulated time since the first was sent', () => {
    const replay = new Replay(sourceOf([frame('02:00:00:00:00:99', 60), frame('02:00:00:00:00:99', 60, 1)]), {
      via: 'modern',
    });

    const [first, second] = [...replay.frames()];

    const ns = (at: PcapFrame): number => (at.seconds - 7) * 1e9 + at.nanoseconds - 999_999_000;
    expect(ns(first!)).toBeGreaterThan(1000); // two register-free hops over the link take longer than a microsecond
    expect(ns(second!)).toBeGreaterThan(ns(first!));
    expect(second!.seconds).toBe(8); // carried over from 0.999999 s
    expect(replay.report().simulatedNs).toBe(ns(second!));
  });

  it('all carry the first stamp in functional mode', () => {
    const replay = new Replay(sourceOf([frame('02:00:00:00:00:99', 60), frame('02:00:00:00:00:99', 60)]), {
      via: 'modern',
      mode: 'functional',
    });

    expect([...replay.frames()].map(({ seconds, nanoseconds }) => [seconds, nanoseconds])).toEqual([
      [7, 999_999_000],
      [7, 999_999_000],
    ]);
    expect(replay.report()).toMatchObject({ simulatedNs: 0, framesPerSecond: null });
  });

  it.each(WAYS)('reach the receiver whatever they are addressed to, by $via to $to, $mode', (way) => {
    const frames = [
      '02:76:66:00:00:00', // the PF's address, unless the card gives way
      '02:76:66:00:00:01', // VF 1's
      '02:76:66:00:00:02', // VF 2's
      'ff:ff:ff:ff:ff:ff',
      '01:00:5e:00:00:01',
      '33:33:00:00:00:01',
      '00:00:00:00:00:00',
    ].map((to, seed) => frame(to, 100, seed));
    const replay = new Replay(sourceOf(frames), way);

    expect(digitsOf(replay.frames())).toEqual(frames.map(digits));
    expect(replay.report().isComplete).toBe(true);
  });

  it.each(WAYS)('reach it though the capture has all of 02:76:xx:00:00:01, by $via to $to, $mode', (way) => {
    const frames = Array.from({ length: 256 }, (_, i) => frame(`02:76:${i.toString(16)}:00:00:01`, 60, i));
    const replay = new Replay(sourceOf(frames), way);

    expect(digitsOf(replay.frames())).toEqual(frames.map(digits));
    expect(replay.report()).toMatchObject({ drops: {}, isComplete: true });
  });

  it('are counted and left out when they are too short or too long', () => {
    const to = '02:00:00:00:00:99';
    const tagged = (bytes: number, ...tags: number[]): Uint8Array => {
      const data = frame(to, bytes);
      data.set([...tags.flatMap((type) => [type >> 8, type & 0xff, 0, 7]), 0x88, 0xb5], 12);
      return data;
    };
    const frames = [13, 14, 1514, 1515, 9014].map((bytes) => frame(to, bytes));
    frames.push(tagged(1518, 0x8100), tagged(1519, 0x8100), tagged(1518, 0x88a8), tagged(1519, 0x88a8));
    frames.push(tagged(1522, 0x88a8, 0x8100), tagged(1523, 0x88a8, 0x8100));
    const replay = new Replay(sourceOf(frames), { via: 'legacy' });

    expect([...replay.frames()].map(({ bytes }) => bytes.length)).toEqual([14, 1514, 1518, 1518, 1522]);
    expect(replay.report()).toMatchObject({
      input: { frames: 11 },
      sent: { frames: 5, bytes: 14 + 1514 + 1518 + 1518 + 1522 },
      received: { frames: 5 },
      drops: { too_short: 1, too_long: 5 },
      isComplete: false,
    });
  });

  it('may be as long as a larger MTU allows', () => {
    const frames = [frame('02:00:00:00:00:99', 9014), frame('02:00:00:00:00:99', 9015)];
    const replay = new Replay(sourceOf(frames), { via: 'modern', mtu: 9000 });

    expect(digitsOf(replay.frames())).toEqual([digits(frames[0]!)]);
    expect(replay.report().drops).toEqual({ too_long: 1 });
  });

  it.each([68, 500, 1023, 1024, 1499, 1500])('are as long as an MTU of %i allows, each way', (mtu) => {
    for (const way of WAYS) {
      const longest = frame('02:00:00:00:00:99', mtu + 14);
      const replay = new Replay(sourceOf([longest, frame('02:00:00:00:00:99', mtu + 15)]), { ...way, mtu });

      expect(digitsOf(replay.frames())).toEqual([digits(longest)]);
      expect(replay.report().drops).toEqual({ too_long: 1 });
    }
  });

  it('that are too long are named: the first, its limit, and the MTU with which all would go', () => {
    const to = '02:00:00:00:00:99';
    const tagged = frame(to, 2000).with(12, 0x81).with(13, 0x00);
    const replay = new Replay(sourceOf([frame(to, 60), tagged, frame(to, 4014)]), { via: 'modern' });

    for (const _ of replay.frames());

    // the tag does not count: 1500 + 14 + 4, and 4014 - 14
    expect(replay.report().tooLong).toEqual({ packet: 2, bytes: 2000, limit: 1518, mtuForAll: 4000 });
  });

  it('are sent as far as they were captured', () => {
    const [one] = sourceOf([frame('02:00:00:00:00:99', 60)]).frames();
    const replay = new Replay({ frames: () => [one!, { ...one!, originalLength: 1514 }] }, { via: 'legacy' });

    expect([...replay.frames()].map(({ bytes }) => bytes.length)).toEqual([60, 60]);
    expect(replay.report()).toMatchObject({ cutFrames: 1, isComplete: true });
  });

  it('are none for an empty capture', () => {
    const replay = new Replay(sourceOf([]), { via: 'legacy' });

    expect([...replay.frames()]).toEqual([]);
    expect(replay.report()).toMatchObject({ input: { frames: 0, bytes: 0 }, simulatedNs: 0, isComplete: true });
  });

  it('come out as they went in, whatever they are (property)', () => {
    const anyFrame = fc
      .tuple(fc.uint8Array({ minLength: 14, maxLength: 80 }), fc.constantFrom(0, 0, 300, 1438))
      .map(([head, more]) => Uint8Array.of(...head, ...new Uint8Array(more)));
    const property = fc.property(fc.array(anyFrame, { maxLength: 400 }), fc.constantFrom(...WAYS), (frames, way) => {
      const replay = new Replay(sourceOf(frames), way);
      expect(digitsOf(replay.frames())).toEqual(frames.map(digits));
      expect(replay.report()).toMatchObject({ drops: {}, isComplete: true });
    });
    fc.assert(property, { numRuns: 40, seed: 2 });
  });
});

describe('a capture that cannot be read to its end', () => {
  const bytes = encodePcap([60, 61, 62].map((length) => ({ ...FIRST, bytes: frame('02:00:00:00:00:99', length) })));

  it('is replayed as far as it goes', () => {
    const replay = new Replay(openCapture(bytes.subarray(0, -1), 'IN'), { via: 'modern' });

    expect([...replay.frames()].map((one) => one.bytes.length)).toEqual([60, 61]);
    expect(replay.report()).toMatchObject({ input: { frames: 2 }, received: { frames: 2 }, isComplete: false });
    expect(replay.report().damage).toContain('frame 3 is cut off after 61 of 62 bytes');
  });

  it('is refused where it has no whole frame', () => {
    expect(() => new Replay(openCapture(bytes.subarray(0, 99), 'IN'), { via: 'modern' })).toThrow('frame 1 is cut off');
  });

  it('may grow between the two times that it is read', () => {
    let end = bytes.length - 78;
    const source = {
      frames: () => {
        const frames = openCapture(bytes.subarray(0, end), 'IN').frames();
        end = bytes.length;
        return frames;
      },
    };
    const replay = new Replay(source, { via: 'modern' });

    expect([...replay.frames()]).toHaveLength(2);
    expect(replay.report()).toMatchObject({ damage: null, isComplete: true });
  });
});

describe('a capture with packets that are no Ethernet frames', () => {
  const blocks = new Blocks('little');
  const packet = (id: number): Uint8Array => blocks.packet(id, 1n, frame('02:00:00:00:00:99', 60));
  const capture = (...ids: number[]): Capture => {
    const parts = [blocks.section(), blocks.interface(1), blocks.interface(113), ...ids.map(packet)];
    return openCapture(Uint8Array.from(Buffer.concat(parts)), 'IN');
  };

  it('is replayed without these, which are counted', () => {
    const replay = new Replay(capture(1, 0, 1), { via: 'modern' });

    expect([...replay.frames()]).toHaveLength(1);
    expect(replay.report()).toMatchObject({
      input: { frames: 1 },
      notEthernet: [{ linkType: 113, frames: 2 }],
      isComplete: true,
    });
  });

  it('is refused where there is nothing else', () => {
    expect(() => new Replay({ ...capture(1, 1), name: 'sll.pcap' }, { via: 'modern' })).toThrow(
      /^sll\.pcap: none of the 2 /,
    );
    expect(() => new Replay(capture(1, 1), { via: 'modern' })).toThrow(
      'none of the 2 packets is an Ethernet frame: link type 113 (Linux cooked); record on one Ethernet interface',
    );
  });
});

describe('a replay', () => {
  it('of more frames than a ring has descriptors loses none', () => {
    const frames = Array.from({ length: 3000 }, (_, i) => frame('02:00:00:00:00:99', 60 + (i % 1455), i));

    for (const via of ['legacy', 'modern'] as const) {
      const replay = new Replay(sourceOf(frames), { via });
      expect(digitsOf(replay.frames())).toEqual(frames.map(digits));
    }
  });

  it('gives the same stamps each time', () => {
    const stamps = (): string[] =>
      [...new Replay(PING_HTTP, { via: 'legacy' }).frames()].map((at) => `${at.seconds}.${at.nanoseconds}`);

    expect(stamps()).toEqual(stamps());
  });

  it('refuses an MTU that the legacy driver does not know', () => {
    expect(() => new Replay(PING_HTTP, { via: 'legacy', mtu: 1501 })).toThrow(
      expect.objectContaining({ code: 'CONFIG', message: expect.stringContaining('1501') }),
    );
  });

  it('runs once, and has nothing to report before', () => {
    const replay = new Replay(PING_HTTP, { via: 'modern' });

    expect(() => replay.report()).toThrow('nothing has been replayed yet');
    for (const _ of replay.frames());
    expect(() => [...replay.frames()]).toThrow('make another one');
  });
});

describe('FrameCheck', () => {
  const [a, b, c] = [1, 2, 3].map((seed) => frame('02:00:00:00:00:aa', 60, seed)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const other = frame('02:00:00:00:00:bb', 60, 4);
  const results = (sent: Uint8Array[], received: Uint8Array[]): object => {
    const check = new FrameCheck();
    for (const bytes of sent) check.sent(bytes);
    for (const bytes of received) check.received(bytes);
    check.giveUp();
    const { altered, reordered, lost } = check;
    return { altered, reordered, lost };
  };

  it.each([
    ['everything in order', [a, b, c], [a, b, c], { altered: 0, reordered: 0, lost: 0 }],
    ['two of a flow exchanged', [a, b, c], [b, a, c], { altered: 0, reordered: 1, lost: 0 }],
    ['two flows exchanged', [a, other], [other, a], { altered: 0, reordered: 0, lost: 0 }],
    ['one lost', [a, b, c], [a, c], { altered: 0, reordered: 0, lost: 1 }],
    ['one cut short', [a, b], [a, b.slice(0, 59)], { altered: 1, reordered: 0, lost: 1 }],
    ['one twice', [a, b], [a, a, b], { altered: 1, reordered: 0, lost: 0 }],
    ['one with another byte', [a], [a.with(59, 0xee)], { altered: 1, reordered: 0, lost: 1 }],
  ])('judges %s', (_name, sent, received, expected) => {
    expect(results(sent, received)).toEqual(expected);
  });
});
