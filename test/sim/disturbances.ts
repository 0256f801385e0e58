/** What happens to the controller itself, whatever its kinds: crashes, faults, time, a full disk. And the list of all disturbances. */
import { anyFault, type Fault } from './faults.ts';
import { parts, THEMES } from './parts/index.ts';
import type { Disturbance } from './parts/part.ts';
import { DRIVER_NAMES } from './world.ts';

const general: readonly Disturbance[] = [
  {
    name: 'the controller is killed',
    weight: 4,
    announced: false,
    act(sim, random) {
      sim.downtime = random.pick([100, 1_000, 15_000]);
      sim.crash();
    },
  },
  {
    name: 'the controller crashes at one of the next calls',
    weight: 10,
    announced: false,
    act(sim, random) {
      sim.downtime = random.pick([100, 1_000, 15_000]);
      sim.crashIn = random.below(60);
    },
  },
  {
    name: 'the controller is stopped and started',
    weight: 1,
    announced: false,
    act: (sim) => sim.restart(),
  },
  {
    name: 'a newer program is started',
    weight: 1,
    announced: false,
    act(sim) {
      sim.version = `1.${Number(sim.version.split('.')[1]) + 1}.0`;
      sim.restart();
    },
  },
  armed('a call fails', 6, 'error'),
  armed('a call is slow', 4, 'slow'),
  armed('a call hangs', 2, 'hang'),
  {
    name: 'the disk is full for a while',
    weight: 1,
    announced: false,
    act(sim, random) {
      sim.setDiskFull(true);
      sim.clock.after(random.pick([1_000, 30_000]), () => sim.setDiskFull(false));
    },
  },
  {
    name: 'the clock jumps',
    weight: 1,
    announced: false,
    act: ({ clock }, random) => clock.jump(random.pick([-3_600_000, -5_000, 5_000, 3_600_000, 86_400_000])),
  },
  {
    name: 'time goes by',
    weight: 2,
    act: () => undefined,
  },
];

function armed(name: string, weight: number, type: Fault['type']): Disturbance {
  return {
    name,
    weight,
    announced: false,
    act(sim, random) {
      const anywhere = random.next() < 0.5;
      sim.faults.armed.push({
        fault: anyFault(type, random),
        after: random.below(8),
        ...(anywhere ? {} : { driver: random.pick(DRIVER_NAMES) }),
        ...(random.next() < 0.6 ? { only: 'writes' } : {}),
      });
    },
  };
}

/** What there is in a history with these themes. */
export function disturbancesOf(themes: ReadonlySet<string>): readonly Disturbance[] {
  const known = parts.filter(({ theme }) => theme === undefined || themes.has(theme));
  return [...general, ...known.flatMap(({ disturbances }) => disturbances)];
}

const all = disturbancesOf(new Set(THEMES));
const byName = new Map(all.map((disturbance) => [disturbance.name, disturbance]));

export function disturbanceOf(name: string): Disturbance {
  const found = byName.get(name);
  if (!found) throw new Error(`there is no disturbance "${name}"`);
  return found;
}
