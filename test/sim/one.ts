import { historyOf } from './history.ts';
import { runHistory } from './run.ts';

const from = Number(process.argv[2] ?? 1),
  count = Number(process.argv[3] ?? 1),
  keep = process.argv[4] === 'trace';
const c0 = process.cpuUsage();
const t0 = performance.now();
let bad = 0;
const kinds = new Map<string, number[]>();
for (let seed = from; seed < from + count; seed++) {
  const v = await runHistory(historyOf(seed), {
    folder: `/dev/shm/holdfast-sim-${process.pid}`,
    keepTrace: keep,
  });
  if (keep) console.log(v.trace.join('\n'));
  if (v.broken) {
    bad++;
    const k = v.broken.invariant;
    kinds.set(k, [...(kinds.get(k) ?? []), seed]);
    if (count < 30 || (kinds.get(k)?.length ?? 0) <= 2)
      console.log(
        seed,
        v.history.calm ? 'calm' : '',
        v.broken.invariant,
        '|',
        v.broken.message.slice(0, 600),
      );
  }
  if (count === 1) console.log(v.digest, v.points, v.lives, v.commits, v.settledAfter);
}
const ms = (performance.now() - t0) / count;
const cpu = process.cpuUsage(c0);
const cms = (cpu.user + cpu.system) / 1000 / count;
console.log(`${bad} of ${count} broken; ${ms.toFixed(1)} ms each, ${cms.toFixed(1)} ms cpu`);
for (const [k, s] of kinds) console.log(s.length, k, s.slice(0, 8).join(' '));
