import { it } from 'vitest';
import { RawCard } from '../conformance/ring/support/raw_card.ts';
import { frame, packet, BROADCAST, macOf } from '../conformance/ring/support/frames.ts';
it('p', () => {
  const [ports, frames, buffers, wire, vec] = process.env.P!.split(',').map(Number) as number[];
  const card = new RawCard({ mode: 'functional', build: 'debug', queueSize: 256, numVfs: ports!, wire: wire ? 'host' : 'discard', windowBytes: 16 << 20 });
  const fns = Array.from({ length: ports! + 1 }, (_, n) => { const fn = card.fn(n, 32 << 10); fn.start(vec ? {} : { queues: { 0: { vector: null }, 1: { vector: null } } }); const addr = fn.space(2048); const r = fn.ring(0); for (let i = 0; i < buffers!; i++) r.describe(i, { addr, len: 2048, flags: 2 }); if (buffers) r.offer(...Array.from({ length: buffers! }, (_, i) => i)); fn.kick(0); return fn; });
  const p = packet(frame(BROADCAST, macOf(0))); const r = fns[0]!.ring(1); const a = fns[0]!.place(p);
  for (let i = 0; i < 256; i++) r.describe(i, { addr: a, len: p.length });
  r.offer(...Array.from({ length: frames! }, (_, i) => i));
  fns[0]!.kick(1);
  console.log('done', ports, frames, card.messages.length, r.usedIdx);
});
