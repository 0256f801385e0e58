import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { askedFor, diffApp } from '../../reconcilers/app/diff.ts';
import type { AppHave } from '../../reconcilers/app/observe.ts';
import type { AppWant } from '../../reconcilers/app/want.ts';
import { ANNOTATION } from '../../resources/document.ts';
import { makeContainer, makeDocument, makeHave, makeWant, type WantChange } from '../support/app.ts';

interface Row {
  name: string;
  want?: WantChange;
  /** What is there, from what is there when all is well. */
  have?: (have: AppHave, want: AppWant) => AppHave;
  steps: string[];
  /** Fields that the reasons name. */
  because?: string[];
  causes?: string[];
}

/** What was there before this generation: a container of an older image. */
function older(have: AppHave, change: Parameters<typeof makeContainer>[1] = {}): AppHave {
  const old = makeContainer(have, { id: 'old000000000', hash: 'other', generation: '1', ...change });
  return {
    ...have,
    containers: [{ ...old, settings: (old.settings ?? '').replace('sha256:one', 'sha256:zero') }],
  };
}

const rows: Row[] = [
  { name: 'nothing is done where all is well', steps: [] },
  {
    name: 'the first time everything is made, the address first',
    want: { status: { observedGeneration: undefined }, want: { site: undefined } as never },
    have: ({ address: _address, image: _image, inputs: _inputs, ...have }) => ({
      ...have,
      containers: [],
      missingFolders: ['/state/apps/hello/data'],
    }),
    steps: ['LeaseAddress', 'ApplySite', 'CreateFolders', 'PullImage', 'CreateContainer', 'StartContainer'],
    causes: ['generation 1 by root through cli'],
  },
  {
    name: 'a container that somebody removed is made again, because of drift',
    have: (have) => ({ ...have, containers: [] }),
    steps: ['CreateContainer', 'StartContainer'],
    because: ['container', 'container'],
    causes: ['drift'],
  },
  {
    name: 'nothing is started while the network is gone',
    have: (have) => ({ ...have, networkGone: true, containers: [makeContainer(have, { addresses: {} })] }),
    steps: [],
  },
  {
    name: 'a container that is being removed is waited for, as it still has the name',
    have: (have) => ({ ...have, containers: [makeContainer(have, { state: 'removing' })] }),
    steps: [],
  },
  {
    name: 'a container that somebody stopped is started',
    have: (have) => ({ ...have, containers: [makeContainer(have, { state: 'exited' })] }),
    steps: ['StartContainer'],
    because: ['container.state'],
    causes: ['drift'],
  },
  {
    name: 'a frozen container goes on',
    have: (have) => ({ ...have, containers: [makeContainer(have, { state: 'paused' })] }),
    steps: ['UnpauseContainer'],
  },
  {
    name: 'another image replaces the container: made beside, switched, the old one removed last',
    want: { generation: 2 },
    have: (have) => older(have),
    steps: ['CreateContainer', 'SwitchContainer', 'RemoveContainer', 'RenameContainer'],
    because: ['image', 'image', 'image', 'container.name'],
    causes: ['generation 2 by root through cli'],
  },
  {
    name: 'a crash after creating goes on with the switch',
    want: { generation: 2 },
    have: (have) => {
      const { containers } = older(have);
      return {
        ...have,
        containers: [
          makeContainer(have, { name: 'holdfast-app-hello-next', state: 'created' }),
          ...containers,
        ],
      };
    },
    steps: ['SwitchContainer', 'RemoveContainer', 'RenameContainer'],
  },
  {
    name: 'a crash after the switch: the new one is proven before the old one goes',
    want: { generation: 2 },
    have: (have) => {
      const { containers } = older(have, { state: 'exited' });
      return {
        ...have,
        containers: [makeContainer(have, { name: 'holdfast-app-hello-next' }), ...containers],
      };
    },
    steps: ['SwitchContainer', 'RemoveContainer', 'RenameContainer'],
  },
  {
    name: 'a crash after the old container is gone leaves volumes, which are removed',
    have: (have) => ({ ...have, leftVolumes: ['holdfast-app-hello-0ld-run'] }),
    steps: ['RemoveVolumes'],
    because: ['volumes'],
    causes: ['drift'],
  },
  {
    name: 'deleting waits for volumes that a crash left',
    want: { want: { deleting: true } },
    have: (have) => ({ ...have, containers: [], leftVolumes: ['holdfast-app-hello-0ld-run'] }),
    steps: ['DeleteSite', 'RemoveVolumes', 'ReleaseAddress'],
  },
  {
    name: 'memory changed by docker update makes a fresh container',
    have: (have) => ({ ...have, containers: [makeContainer(have, { drift: [{ field: 'memory' }] })] }),
    steps: ['CreateContainer', 'SwitchContainer', 'RemoveContainer', 'RenameContainer'],
    because: ['memory', 'memory', 'memory', 'container.name'],
    causes: ['drift', 'generation 1 by root through cli'],
  },
  {
    name: 'a restart policy changed by hand is set again without a restart',
    have: (have) => ({ ...have, containers: [makeContainer(have, { drift: [{ field: 'restartPolicy' }] })] }),
    steps: ['SetRestartPolicy'],
  },
  {
    name: 'a container whose address is on its way, as while somebody restarts it, is left alone',
    have: (have) => ({ ...have, containers: [makeContainer(have, { addresses: { holdfast: '' } })] }),
    steps: [],
  },
  {
    name: 'a container that lost its network is replaced',
    have: (have) => ({ ...have, containers: [makeContainer(have, { addresses: {} })] }),
    steps: ['CreateContainer', 'SwitchContainer', 'RemoveContainer', 'RenameContainer'],
    because: ['network.holdfast', 'network.holdfast', 'network.holdfast', 'container.name'],
  },
  {
    name: 'stopped stops the container and keeps it',
    want: {
      generation: 2,
      spec: { state: 'stopped' },
      want: { site: makeDocument('Site', 'hello', helloSite()) },
    },
    steps: ['ApplySite', 'StopContainer'],
    because: ['site.state', 'spec.state'],
  },
  {
    name: 'stopped stops the container also after a failed rollout',
    want: {
      generation: 2,
      spec: { state: 'stopped' },
      want: { site: makeDocument('Site', 'hello', stoppedSite()) },
      status: { rollout: { state: 'failed', hash: hashOfWanted(), at: '2026-01-01T00:00:00.000Z' } },
    },
    have: (have) => ({ ...have, containers: [makeContainer(have, { hash: 'before' })] }),
    steps: ['StopContainer'],
  },
  {
    name: 'stopped and standing still is nothing to do',
    want: { spec: { state: 'stopped' }, want: { site: makeDocument('Site', 'hello', stoppedSite()) } },
    have: (have) => ({ ...have, containers: [makeContainer(have, { state: 'exited' })] }),
    steps: [],
  },
  {
    name: 'a restart that was asked for after the container started is done',
    want: { annotations: { [ANNOTATION.restartedAt]: '2026-01-02T00:00:00.000Z' } },
    have: (have) => ({ ...have, containers: [withStart(have, '2026-01-01T00:00:00.000Z')] }),
    steps: ['RestartContainer'],
  },
  {
    name: 'a restart that a newer start has answered is not done again',
    want: { annotations: { [ANNOTATION.restartedAt]: '2026-01-02T00:00:00.000Z' } },
    have: (have) => ({ ...have, containers: [withStart(have, '2026-01-02T00:00:01.000Z')] }),
    steps: [],
  },
  {
    name: 'another location changes the site and leaves the container alone',
    want: {
      generation: 2,
      spec: { location: 'other' },
      want: { site: makeDocument('Site', 'hello', helloSite()) },
    },
    steps: ['ApplySite'],
    because: ['site.hosts'],
  },
  {
    name: 'an App whose location is taken changes nothing',
    want: { generation: 2, want: { blocked: { reason: 'LocationConflict', message: 'taken' } } },
    have: (have) => ({ ...have, containers: [] }),
    steps: [],
  },
  {
    name: 'an App whose public port somebody else has changes nothing',
    want: { generation: 2 },
    have: (have) => ({ ...older(have), takenPorts: [{ port: 2222, by: 'sshd (pid 7)' }] }),
    steps: [],
  },
  {
    name: 'on a full disk no image is pulled, and what runs goes on',
    want: { generation: 2, want: { diskFull: '1 % free of /var/lib/holdfast' } },
    have: ({ image: _image, inputs: _inputs, ...have }) => ({
      ...have,
      containers: [] as AppHave['containers'],
    }),
    steps: [],
  },
  {
    name: 'on a full disk a container whose image is there is made anew',
    want: { want: { diskFull: '1 % free of /var/lib/holdfast' } },
    have: (have) => ({ ...have, containers: [] }),
    steps: ['CreateContainer', 'StartContainer'],
  },
  {
    name: 'an App that waits for a Secret changes nothing',
    want: { generation: 2, want: { waiting: { reason: 'ReferenceNotFound', message: 'waits' } } },
    have: (have) => older(have),
    steps: [],
  },
  {
    name: 'a new container that failed is not tried again while the one before serves',
    want: {
      generation: 2,
      status: { rollout: { state: 'failed', hash: hashOfWanted(), at: '2026-01-01T00:00:00.000Z' } },
    },
    have: (have) => older(have),
    steps: [],
  },
  {
    name: 'a failed rollout is tried again when a person asks for it',
    want: {
      generation: 2,
      status: { rollout: { state: 'failed', hash: hashOfWanted(), at: '2026-01-01T00:00:00.000Z' } },
      annotations: { [ANNOTATION.retriedAt]: '2026-01-01T00:00:01.000Z' },
    },
    have: (have) => older(have),
    steps: ['CreateContainer', 'SwitchContainer', 'RemoveContainer', 'RenameContainer'],
  },
  {
    name: 'a restart that is asked for afterwards tries it again, too',
    want: {
      generation: 2,
      status: { rollout: { state: 'failed', hash: hashOfWanted(), at: '2026-01-01T00:00:00.000Z' } },
      annotations: { [ANNOTATION.restartedAt]: '2026-01-01T00:00:01.000Z' },
    },
    have: (have) => older(have),
    steps: ['CreateContainer', 'SwitchContainer', 'RemoveContainer', 'RenameContainer'],
  },
  {
    name: 'an address outside the network is leased anew before anything else',
    have: (have) => ({ ...have, address: '10.99.0.2' }),
    steps: [
      'LeaseAddress',
      'ApplySite',
      'CreateContainer',
      'SwitchContainer',
      'RemoveContainer',
      'RenameContainer',
    ],
  },
  {
    name: 'deleting takes down the site, then the container, then the address, and leaves the data',
    want: { want: { deleting: true } },
    steps: ['DeleteSite', 'RemoveContainer', 'ReleaseAddress'],
    causes: ['app/hello is deleted'],
  },
  {
    name: 'deleting with its data names the data',
    want: { want: { deleting: true, deleteData: true, site: undefined } as never },
    have: ({ address: _address, ...have }) => ({ ...have, containers: [] }),
    steps: ['DeleteData'],
  },
  {
    name: 'deleting what was never made is done at once',
    want: { want: { deleting: true, deleteData: true, site: undefined } as never },
    have: ({ address: _address, ...have }) => ({ ...have, containers: [], dataExists: false }),
    steps: [],
  },
];

function helloSite(): Record<string, unknown> {
  return {
    hosts: ['hello.localhost'],
    domain: 'localhost',
    upstream: { address: '10.213.0.2', port: 8080 },
    state: 'running',
  };
}

function stoppedSite(): Record<string, unknown> {
  return { ...helloSite(), state: 'stopped' };
}

function withStart(have: AppHave, startedAt: string) {
  const container = makeContainer(have);
  return { ...container, details: { ...container, startedAt } as never };
}

function hashOfWanted(): string {
  const want = makeWant({ generation: 2 });
  return makeHave(want).containers[0]?.hash ?? '';
}

for (const row of rows) {
  test(row.name, () => {
    const want = makeWant(row.want);
    const well = makeHave(want);
    const steps = diffApp(want, row.have?.(well, want) ?? well);
    assert.equal(
      steps.map(({ type }) => type),
      row.steps,
    );
    const reasons = steps.flatMap(({ because }) => because);
    if (row.because)
      assert.equal(
        reasons.map(({ field }) => field),
        row.because,
      );
    if (row.causes) assert.equal([...new Set(reasons.map(({ cause }) => cause))], row.causes);
  });
}

/** What another Holdfast would have made for the same documents. */
function byOther(
  have: AppHave,
  change: { without?: string; version?: string; generation?: string } = {},
): AppHave {
  const container = makeContainer(have, { id: 'old000000000', hash: 'other' });
  const settings = JSON.parse(container.settings ?? '{}') as Record<string, unknown>;
  const field = change.without ?? 'image';
  delete settings[field];
  const version = change.version === undefined ? {} : { 'dev.holdfast.version': change.version };
  const labels = { ...container.labels, ...version };
  const generation = change.generation ?? '1';
  return {
    ...have,
    ...(have.inputs
      ? { inputs: { ...have.inputs, maker: { stateFolder: '/state', version: '2.0.0' } } }
      : {}),
    containers: [{ ...container, generation, labels, settings: JSON.stringify(settings) }],
  };
}

const asked = (want: WantChange = {}): string => {
  const made = makeWant(want);
  return askedFor(made, makeHave(made));
};

const memory = { memoryLimit: '256Mi' } as never;
const upgrades: {
  name: string;
  want?: WantChange;
  have: (have: AppHave) => AppHave;
  held: boolean;
  cause: string;
}[] = [
  {
    name: 'what a new Holdfast alone wants waits',
    want: { spec: memory, status: { container: { asked: asked({ spec: memory }) } } },
    have: (have) => byOther(have, { without: 'memory', version: '1.0.0' }),
    held: true,
    cause: 'an upgrade of Holdfast (1.0.0 to 2.0.0)',
  },
  {
    name: 'what the machine alone wants waits, such as a profile that was loaded',
    want: { status: { container: { asked: asked() } } },
    have: (have) => {
      const other = byOther(have, { version: '2.0.0', without: 'none' });
      const inputs = { ...other.inputs, apparmorProfile: 'docker-holdfast-app' } as AppHave['inputs'];
      return { ...other, ...(inputs ? { inputs } : {}) };
    },
    held: true,
    cause: 'a change of this machine',
  },
  {
    name: 'a container from before the digest was kept waits, where nothing of it comes from documents',
    want: { spec: memory },
    have: (have) => byOther(have, { without: 'memory' }),
    held: true,
    cause: 'an upgrade of Holdfast (an earlier version to 2.0.0)',
  },
  {
    name: 'such a container is replaced where the image is another one',
    have: (have) => byOther(have, { without: 'image' }),
    held: false,
    cause: 'a change of what it refers to',
  },
  {
    name: 'what a person changed does not wait',
    want: { generation: 2, status: { container: { asked: 'of the generation before' } } },
    have: (have) => byOther(have, { version: '1.0.0' }),
    held: false,
    cause: 'generation 2 by root through cli',
  },
  {
    name: 'one that does not serve any more is made anew at once',
    want: { status: { container: { asked: asked() } } },
    have: (have) => {
      const other = byOther(have, { version: '1.0.0' });
      return { ...other, containers: other.containers.map((one) => ({ ...one, state: 'exited' as const })) };
    },
    held: false,
    cause: 'a change of what it refers to',
  },
];
for (const row of upgrades) {
  test(`upgrade: ${row.name}`, () => {
    const want = makeWant(row.want);
    const steps = diffApp(want, row.have(makeHave(want)));
    assert.ok(steps.length > 0);
    assert.equal(
      steps.map(({ held }) => held === 'upgrade'),
      steps.map(() => row.held),
    );
    assert.is(steps[0]?.because[0]?.cause, row.cause);
  });
}

test('a difference in a variable names it and never shows its value', () => {
  const want = makeWant({ generation: 2, want: { env: { TOKEN: 'swordfish-new' } } });
  const before = makeHave(makeWant({ want: { env: { TOKEN: 'swordfish-old' } } }));
  const steps = diffApp(want, { ...makeHave(want), containers: before.containers });
  const shown = JSON.stringify(steps.map(({ because, message, target }) => ({ because, message, target })));
  assert.ok(shown.includes('env.TOKEN'));
  assert.not.ok(shown.includes('swordfish'));
});

test('the same want and the same world give the same steps, to the letter', () => {
  const make = () => {
    const want = makeWant({ generation: 2 });
    return JSON.stringify(diffApp(want, older(makeHave(want))));
  };
  assert.is(make(), make());
});

test.run();
