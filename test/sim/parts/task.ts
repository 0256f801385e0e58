/** Tasks of Apps: commands on a schedule, through crashes, stops and jumps of the clock. Two never run at once, and no time is run twice. */
import { LABEL } from '../../../reconcilers/drivers/docker/index.ts';
import { condition } from '../../../resources/document.ts';
import type { Random } from '../../support/random.ts';
import type { Call } from '../drivers.ts';
import type { Invariant } from '../invariants.ts';
import type { Simulation } from '../simulation.ts';
import { ourContainers } from '../world.ts';
import { anyAppName, patchApp } from './app.ts';
import type { Part } from './part.ts';

const COMMANDS = ['echo tidied', 'sleep 30', 'exit 3', 'sleep 100000'];

function anyTask(random: Random): Record<string, unknown> {
  return {
    schedule: random.pick(['* * * * *', '*/5 * * * *', '@hourly']),
    command: random.pick(COMMANDS),
    timeLimitSeconds: random.pick([60, 300, 3600]),
  };
}

const runs = (sim: Simulation) =>
  ourContainers(sim.world.docker).filter(({ spec }) => spec.labels[LABEL.kind] === 'Task');

const started = (sim: Simulation, call: Call) =>
  call.driver === 'docker' && call.method === 'start'
    ? runs(sim).find(({ id }) => id === call.args[0])
    : undefined;

const neverTwoAtOnce: Invariant = {
  name: 'two runs of one task are never there at once',
  check(sim, moment) {
    if (moment.type !== 'done') return undefined;
    const running = runs(sim).filter(({ state }) => state === 'running');
    const owners = running.map(({ spec }) => spec.labels[LABEL.uid]);
    const twice = owners.find((owner, at) => owners.indexOf(owner) !== at);
    return twice === undefined ? undefined : `two runs of the task with uid ${twice} run at once`;
  },
};

const ended = new WeakMap<Simulation, Set<string>>();

/** A container of a run that has begun is started no second time, nor is another made for the same time. */
const noTimeTwice: Invariant = {
  name: 'no time of a schedule is run twice',
  check(sim, moment) {
    if (moment.type !== 'call') return undefined;
    const run = started(sim, moment.call);
    if (!run) return undefined;
    const { [LABEL.uid]: uid, [LABEL.scheduled]: time } = run.spec.labels;
    const known = ended.get(sim) ?? new Set<string>();
    ended.set(sim, known);
    for (const one of runs(sim)) {
      if (one.state === 'created') continue;
      known.add(`${one.spec.labels[LABEL.uid]} ${one.spec.labels[LABEL.scheduled]} ${one.id}`);
    }
    const other = [...known].find((key) => key.startsWith(`${uid} ${time} `));
    return other === undefined ? undefined : `${run.name} is started, and ${time} was run already`;
  },
};

export const taskPart: Part = {
  kind: 'Task',
  disturbances: [
    {
      name: 'an app gets tasks',
      weight: 3,
      act: (sim, random) =>
        patchApp(sim, anyAppName(sim, random), {
          tasks: random.pick([
            null,
            { tidy: anyTask(random) },
            { tidy: anyTask(random), mail_out: anyTask(random) },
          ]),
        }),
    },
    {
      name: 'the container of a run is removed',
      weight: 1,
      act({ world: { docker } }, random) {
        const found = ourContainers(docker).filter(({ spec }) => spec.labels[LABEL.kind] === 'Task');
        if (found.length > 0) docker.engine.remove(random.pick(found));
      },
    },
  ],
  // A schedule is never at rest: what is looked at when all is quiet is quiet without one.
  lift(sim) {
    for (const app of sim.store?.list('App').items ?? [])
      if (app.spec['tasks'] !== undefined) patchApp(sim, app.metadata.name, { tasks: null });
  },
  invariants: [neverTwoAtOnce, noTimeTwice],
  problems({ store }) {
    const tasks = store?.list('Task').items ?? [];
    return tasks.flatMap((task) => {
      const { name, ownerReferences, generation } = task.metadata;
      const [owner] = ownerReferences ?? [];
      if (!owner || store?.get('App', owner.name)?.metadata.uid !== owner.uid)
        return [`task/${name} is an orphan`];
      const ready = condition(task, 'Ready');
      return ready?.observedGeneration === generation ? [] : [`task/${name} says nothing of its generation`];
    });
  },
  leftovers(sim) {
    const tasks = sim.store?.list('Task').items.map(({ metadata }) => `task/${metadata.name} is left`) ?? [];
    return [...tasks, ...runs(sim).map(({ name }) => `container ${name} is left`)];
  },
};
