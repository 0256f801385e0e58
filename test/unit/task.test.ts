/** Tasks over time, on a fake engine and a clock that goes on when it is told to: when they run, and when they do not. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Outcome, View } from '../../controller/engine/contract.ts';
import { composeStatus } from '../../controller/engine/status.ts';
import { createFakeDocker, type FakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import { type ContainerSummary, LABEL } from '../../reconcilers/drivers/docker/index.ts';
import { runSpec } from '../../reconcilers/task/converge.ts';
import type { TaskStep } from '../../reconcilers/task/diff.ts';
import { taskReconciler } from '../../reconcilers/task/index.ts';
import type { Reading, Writing } from '../../reconcilers/world.ts';
import type { Document } from '../../resources/document.ts';
import { isTimezone, scheduleProblem, timesOf } from '../../resources/schedule.ts';
import { type Task, taskKind, taskName } from '../../resources/task.ts';
import { makeDocument, NETWORK } from '../support/app.ts';
import { VirtualClock } from '../support/clock.ts';
import { exampleSpec } from './docker-spec.ts';
import { viewOf } from './site-world.ts';

const APP_UID = 'uid-of-app';
const MINUTE = 60_000;

class Machine {
  readonly clock = new VirtualClock();
  readonly leases = new Map<string, string>();
  docker: FakeDocker;
  task: Document;
  app: Document = makeDocument('App', 'wiki', {}, { uid: APP_UID });
  platform: Document = {
    ...makeDocument('Platform', 'platform', {}),
    status: { network: NETWORK } as object,
  };
  /** Types of steps that were done, since last asked. */
  #done: string[] = [];
  /** A step that is done is followed by the end of the controller. */
  crashAfter?: TaskStep['type'];

  constructor(spec: Partial<Task['spec']> = {}) {
    this.docker = createFakeDocker({ clock: this.clock });
    this.docker.addImage('wiki:1');
    const whole = {
      app: 'wiki',
      task: 'tidy',
      schedule: '*/10 * * * *',
      command: 'echo tidied',
      timeLimitSeconds: 3600,
      ...spec,
    };
    this.task = makeDocument('Task', 'wiki-tidy', whole, { uid: 'uid-of-task' });
  }

  async startApp(): Promise<void> {
    await this.docker.createNetwork({ ...NETWORK, labels: { [LABEL.managed]: 'true' }, options: {} });
    const labels = {
      [LABEL.managed]: 'true',
      [LABEL.uid]: APP_UID,
      [LABEL.name]: 'wiki',
      [LABEL.hash]: 'one',
    };
    const mounts = [{ type: 'volume' as const, source: 'wiki-run', target: '/run' }];
    const network = { name: NETWORK.name, address: '10.213.0.5' };
    const spec = exampleSpec({ name: 'holdfast-app-wiki', labels, mounts, network });
    await this.docker.start(await this.docker.createContainer(spec));
  }

  view(): View {
    return viewOf([this.task, this.app, this.platform]);
  }

  /** One run of the key, as the engine makes it. Answers what it did. */
  async look(): Promise<string[]> {
    const { docker, clock, leases } = this;
    const lease = {
      of: (_pool: string, owner: string) => leases.get(owner),
      all: () => new Map(leases),
      lease: async (_pool: string, owner: string, candidates: Iterable<string>) => {
        const [first] = candidates;
        if (first !== undefined) leases.set(owner, first);
        return first;
      },
      release: async (_pool: string, owner: string) => void leases.delete(owner),
    };
    const world = { docker, clock, leases: lease } as unknown as Reading & Writing;
    const before = this.#done.length;
    for (let round = 0; round < 6; round += 1) {
      const want = taskReconciler.want('wiki-tidy', this.view());
      if (!want) throw new Error('no task');
      const have = await taskReconciler.observe(want, world);
      const steps = taskReconciler.diff(want, have);
      const outcome: Outcome<TaskStep> = { pending: steps, now: new Date(clock.now()).toISOString() };
      const [draft] = taskReconciler.status(want, have, outcome);
      if (draft) this.task = { ...this.task, status: composeStatus(this.task, draft, outcome) };
      if (steps.length === 0) break;
      for (const step of steps) {
        await taskReconciler.converge(step, world, {} as never);
        this.#done.push(step.type);
        if (step.type === this.crashAfter) return this.#done.slice(before);
        if (step.replan) break;
      }
    }
    return this.#done.slice(before);
  }

  /** Lets time pass in steps of half a minute, looking each time; answers how often a run was started. */
  async pass(milliseconds: number): Promise<number> {
    let starts = 0;
    for (let gone = 0; gone < milliseconds; gone += MINUTE / 2) {
      this.clock.advance(MINUTE / 2);
      await new Promise((resolve) => setImmediate(resolve));
      starts += (await this.look()).filter((type) => type === 'StartRun').length;
    }
    return starts;
  }

  async runs(): Promise<ContainerSummary[]> {
    return (await this.docker.containers()).filter(({ labels }) => labels[LABEL.task] === 'tidy');
  }

  get status(): NonNullable<Task['status']> {
    return (this.task.status ?? {}) as NonNullable<Task['status']>;
  }
}

async function ready(spec: Partial<Task['spec']> = {}): Promise<Machine> {
  const machine = new Machine(spec);
  await machine.startApp();
  await machine.look();
  return machine;
}

const test = suite('Task');

test('it runs once at each of its times, and its end is told', async () => {
  const machine = await ready();
  assert.is(await machine.pass(61 * MINUTE), 6);
  const { lastRun, nextRunAt } = machine.status;
  assert.is(lastRun?.state, 'succeeded');
  assert.is(lastRun?.scheduledAt, '2026-01-01T01:00:00.000Z');
  assert.is(nextRunAt, '2026-01-01T01:10:00.000Z');
});

test('nothing is due when it is new, or when its schedule was changed', async () => {
  const machine = await ready({ schedule: '@hourly' });
  assert.is(await machine.pass(30 * MINUTE), 0);
  machine.task = { ...machine.task, spec: { ...machine.task.spec, schedule: '0,15 * * * *' } };
  assert.equal(await machine.look(), []);
  assert.is(machine.status.nextRunAt, '2026-01-01T01:00:00.000Z');
});

test('the timezone is that of the Platform', async () => {
  const machine = await ready({ schedule: '0 3 * * *' });
  machine.platform = { ...machine.platform, spec: { timezone: 'Asia/Kolkata' } };
  await machine.look();
  assert.is(machine.status.nextRunAt, '2026-01-01T21:30:00.000Z');
});

test('two never run at once, and the time that was passed by is told', async () => {
  const machine = await ready({ command: 'sleep 1500' });
  assert.is(await machine.pass(25 * MINUTE), 1);
  assert.is(machine.status.lastRun?.state, 'running');
  assert.is(machine.status.skipped?.at, '2026-01-01T00:20:00.000Z');
  assert.match(
    machine.status.skipped?.reason ?? '',
    /the run of 2026-01-01T00:10:00.000Z was not at its end/,
  );
  assert.is(await machine.pass(25 * MINUTE), 1, 'after its end the next time is run');
});

test('an exit code other than 0 is a failure that is told', async () => {
  const machine = await ready({ command: 'exit 3' });
  await machine.pass(11 * MINUTE);
  assert.equal([machine.status.lastRun?.state, machine.status.lastRun?.exitCode], ['failed', 3]);
  const condition = machine.status.conditions?.find(({ type }) => type === 'LastRunSucceeded');
  assert.is(condition?.status, 'False');
  const column = taskKind.columns.find(({ name }) => name === 'RESULT')?.value;
  assert.is(typeof column === 'function' ? column(machine.task) : '', 'failed (3)');
});

test('one that takes longer than its limit is ended, and told from one that failed', async () => {
  const machine = await ready({ command: 'sleep 100000', timeLimitSeconds: 300 });
  await machine.pass(16 * MINUTE);
  assert.is(machine.status.lastRun?.state, 'timedOut');
  assert.is(await machine.pass(5 * MINUTE), 1, 'the next time is run again');
});

test('what was missed while the controller was away is made up once', async () => {
  const machine = await ready();
  machine.clock.advance(45 * MINUTE);
  assert.is((await machine.look()).filter((type) => type === 'StartRun').length, 1);
  assert.equal(await machine.look(), []);
  const [run] = await machine.runs();
  assert.is(run?.labels[LABEL.scheduled], '2026-01-01T00:40:00.000Z');
});

test('what was missed by more than an hour is passed by', async () => {
  const machine = await ready({ schedule: '0 3 * * *' });
  machine.clock.advance(5 * 60 * MINUTE);
  assert.equal(await machine.look(), []);
  assert.is(machine.status.skipped?.at, '2026-01-01T03:00:00.000Z');
  assert.is(machine.status.nextRunAt, '2026-01-02T03:00:00.000Z');
});

test('a stopped, suspended or deleted App runs none, and what runs is ended', async () => {
  const machine = await ready({ command: 'sleep 100000' });
  await machine.pass(11 * MINUTE);
  machine.app = { ...machine.app, spec: { state: 'stopped' } };
  assert.equal(await machine.look(), ['StopRun']);
  assert.is(await machine.pass(60 * MINUTE), 0);
  machine.app = { ...machine.app, spec: {} };
  assert.equal(await machine.look(), [], 'what was passed by meanwhile is not made up');
  assert.is(await machine.pass(10 * MINUTE), 1);
  machine.app = { ...machine.app, spec: { suspend: true } };
  assert.equal(await machine.look(), ['StopRun']);
  const { metadata } = machine.app;
  machine.app = { ...machine.app, spec: {}, metadata: { ...metadata, deletionTimestamp: 'now' } };
  assert.is(await machine.pass(20 * MINUTE), 0);
});

test('while the App does not run a time waits for it, up to an hour', async () => {
  const machine = await ready();
  const [app] = await machine.docker.containers();
  await machine.docker.stop(app?.id ?? '', 10);
  assert.is(await machine.pass(15 * MINUTE), 0);
  assert.is(machine.status.conditions?.[0]?.reason, 'AppNotRunning');
  await machine.docker.start(app?.id ?? '');
  assert.is((await machine.look()).filter((type) => type === 'StartRun').length, 1);
});

test('a controller that ends right after it started a run starts it no second time', async () => {
  const machine = await ready({ command: 'sleep 60' });
  machine.clock.advance(10 * MINUTE);
  machine.crashAfter = 'StartRun';
  await machine.look();
  delete machine.crashAfter;
  assert.is(await machine.pass(9 * MINUTE), 0);
  assert.is(machine.status.lastRun?.state, 'succeeded');
});

test('a run that was made and not started before a crash is started, and once', async () => {
  const machine = await ready();
  machine.clock.advance(10 * MINUTE);
  const start = machine.docker.start;
  machine.docker.start = async () => {
    throw new Error('killed');
  };
  let cutOff = false;
  await machine.look().catch(() => {
    cutOff = true;
  });
  assert.ok(cutOff);
  const made = await machine.runs();
  assert.equal(
    made.map(({ state }) => state),
    ['created'],
  );
  machine.docker.start = start;
  await machine.look();
  const after = await machine.runs();
  assert.equal(
    after.map(({ id }) => id),
    made.map(({ id }) => id),
  );
  assert.is.not(after[0]?.state, 'created');
});

test('only the last few runs are kept', async () => {
  const machine = await ready();
  await machine.pass(121 * MINUTE);
  const kept = await machine.runs();
  assert.is(kept.length, 3);
});

test('deleting it removes its runs and gives back its address', async () => {
  const machine = await ready({ command: 'sleep 100000' });
  await machine.pass(11 * MINUTE);
  const { metadata } = machine.task;
  machine.task = { ...machine.task, metadata: { ...metadata, deletionTimestamp: 'now' } };
  assert.equal(await machine.look(), ['RemoveRun', 'ReleaseAddress']);
  assert.equal(machine.leases.size, 0);
  assert.is((await machine.docker.containers()).length, 1, "the App's own container stays");
});

test('a run is like the container of its App, but for its address, its command and its end', async () => {
  const machine = await ready();
  const [summary] = await machine.docker.containers();
  const app = await machine.docker.container(summary?.id ?? '');
  assert.ok(app);
  const spec = runSpec(
    {
      type: 'StartRun',
      task: 'tidy',
      uid: 'uid-of-task',
      app: APP_UID,
      scheduledAt: '2026-01-01T00:10:00.000Z',
      command: 'echo "a b"',
      name: 'wiki-tidy',
    },
    app,
    '10.213.0.9',
  );
  assert.equal(spec.command, ['/bin/sh', '-c', 'echo "a b"']);
  assert.equal(spec.network, { name: 'holdfast', address: '10.213.0.9' });
  assert.equal(spec.mounts, [{ type: 'volume', source: 'wiki-run', target: '/run', existing: true }]);
  assert.equal(spec.env, app.settings.env);
  assert.equal([spec.restartPolicy, spec.ports, spec.image], ['no', [], app.imageId]);
  assert.is(spec.labels[LABEL.uid], 'uid-of-task');
  assert.is(spec.name, 'holdfast-task-wiki-tidy-202601010010');
});

const names: [string, string, RegExp][] = [
  ['wiki', 'tidy', /^wiki-tidy$/],
  ['wiki', 'tidy_up', /^wiki-tidy-up-x[0-9a-f]{6}$/],
  ['wiki', 'TIDY', /^wiki-tidy-x[0-9a-f]{6}$/],
  ['wiki', '_', /^wiki-x[0-9a-f]{6}$/],
];
for (const [app, task, expected] of names)
  test(`task ${task} of ${app} has a name that a document can have`, () =>
    assert.match(taskName(app, task), expected));

const schedules: [string, RegExp | undefined][] = [
  ['*/5 * * * *', undefined],
  ['0 3 * * 1-5', undefined],
  ['@daily', undefined],
  ['@reboot', /one of @hourly/],
  ['* * * *', /it has 4/],
  ['0 * * * * *', /it has 6/],
  ['61 * * * *', /minute/],
  ['0 0 30 2 *', /never comes/],
];
for (const [schedule, problem] of schedules)
  test(`the schedule ${schedule} is ${problem ? 'refused' : 'taken'}`, () => {
    const found = scheduleProblem(schedule);
    if (problem) assert.match(found ?? '', problem);
    else assert.is(found, undefined);
  });

test('a time that is skipped when clocks go forward is run right after, one that comes twice once', () => {
  const times = timesOf('30 2 * * *', 'Europe/Berlin');
  const next = (from: string) => new Date(times.next(Date.parse(from)) ?? 0).toISOString();
  assert.is(next('2026-03-29T00:00:00Z'), '2026-03-29T01:00:00.000Z');
  assert.is(next('2026-10-24T23:00:00Z'), '2026-10-25T00:30:00.000Z');
  assert.is(next('2026-10-25T00:30:00Z'), '2026-10-26T01:30:00.000Z');
  assert.ok(isTimezone('Europe/Berlin'));
  assert.not.ok(isTimezone('Europe/Atlantis'));
});

test.run();
