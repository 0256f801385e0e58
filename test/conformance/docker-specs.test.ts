/**
 * Containers described by chance, as Apps and Addons would be: what was made reads back without a difference, from the fake and from the
 * engine of this machine, before its start and after it. SEED=n tries others, RUNS=n more. Everything made is removed afterwards.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ContainerInputs, containerSpec } from '../../reconcilers/container/description.ts';
import { settingsDifference } from '../../reconcilers/drivers/docker/difference.ts';
import { createFakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import { type Docker, LABEL } from '../../reconcilers/drivers/docker/index.ts';
import { telling } from '../support/before.ts';
import { VirtualClock } from '../support/clock.ts';
import { makeReal } from './docker-made.ts';
import { realParts } from './docker-parts.ts';

const SEED = Number(process.env['SEED'] ?? 1);
const RUNS = Number(process.env['RUNS'] ?? 40);
/** Each nth is started, too: a start is what takes time. */
const STARTED = 4;

const word = fc.constantFrom(
  'a',
  '',
  'two words',
  'ünï ✓',
  'x=y',
  '$HOME',
  '"q"',
  "it's",
  '-1',
  '0',
  'line\nbreak',
  '\\',
  '%s',
);
const name = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,8}$/);
const folders = fc.uniqueArray(fc.constantFrom('/data', '/srv/my files', '/opt/ünï', '/a/b/c', '/etc/x.d'), {
  maxLength: 3,
});

interface Made {
  inputs: Pick<ContainerInputs, 'env' | 'dns' | 'readOnlyRoot' | 'pidsLimit'> & Partial<ContainerInputs>;
  folders: string[];
  reads: boolean;
  last: number;
}

const made: fc.Arbitrary<Made> = fc.record({
  inputs: fc.record(
    {
      command: fc.array(word, { minLength: 1, maxLength: 4 }),
      env: fc.dictionary(name, word, { maxKeys: 6 }),
      dns: fc.uniqueArray(fc.constantFrom('192.0.2.53', '2001:db8::53', '198.51.100.7'), { maxLength: 3 }),
      hosts: fc.dictionary(
        fc.constantFrom('postgresql', 'redis', 'db-1', 'a.b'),
        fc.constantFrom('10.0.0.9', '2001:db8::9'),
        { maxKeys: 3 },
      ),
      readOnlyRoot: fc.boolean(),
      memoryWithSwap: fc.integer({ min: 12_582_912, max: 600_000_001 }),
      pidsLimit: fc.integer({ min: 16, max: 100_000 }),
      tty: fc.boolean(),
      stopSeconds: fc.integer({ min: 0, max: 600 }),
    },
    { requiredKeys: ['env', 'dns', 'readOnlyRoot', 'pidsLimit'] },
  ) as fc.Arbitrary<Made['inputs']>,
  folders,
  reads: fc.boolean(),
  last: fc.integer({ min: 10, max: 250 }),
});

interface Under {
  docker: Docker;
  run: string;
  image: string;
  subnet: string;
  folder: string;
  cleanup(): Promise<void>;
}

function specs(kind: string, make: () => Promise<Under>): void {
  const test = suite(`generated containers: ${kind}`);
  let under: Under;
  let imageId = '';
  test.before(
    telling(async () => {
      under = await make();
      const { docker, run, subnet, image } = under;
      imageId = (await docker.image(image))?.id ?? '';
      const labels = { [LABEL.managed]: 'true', [LABEL.name]: run, [LABEL.uid]: run };
      const network = {
        name: `${run}-net`,
        subnet: `${subnet}.0/24`,
        gateway: `${subnet}.1`,
        labels,
        options: {},
      };
      await docker.createNetwork(network);
    }),
  );
  test.after(() => under?.cleanup());

  async function inputsOf(
    { inputs, folders: paths, reads, last }: Made,
    index: number,
  ): Promise<ContainerInputs> {
    const data = paths.map((path, at) => ({ path, folder: join(under.folder, `${index}-${at}`) }));
    for (const { folder } of data) await mkdir(folder, { recursive: true });
    return {
      ...inputs,
      owner: { kind: 'App', name: `${under.run}-${index}`, uid: under.run, generation: 1 },
      imageId,
      network: `${under.run}-net`,
      address: `${under.subnet}.${last}`,
      data,
      reads: reads ? [{ path: '/secrets', folder: under.folder }] : [],
      ports: [],
    };
  }

  test(`${RUNS} of them read back without a difference (SEED ${SEED})`, async () => {
    const { docker } = under;
    for (const [index, one] of fc.sample(made, { seed: SEED * 7919, numRuns: RUNS }).entries()) {
      const isStarted = index % STARTED === 0;
      const inputs = await inputsOf(one, index);
      // What is started has to run.
      const { command: _any, ...rest } = inputs;
      const described = containerSpec(isStarted ? rest : inputs);
      const wanted = {
        ...described,
        name: `${under.run}-${index}`,
        labels: { ...described.labels, [LABEL.name]: under.run },
      };
      const id = await docker.createContainer(wanted);
      const differs = async () => {
        const found = await docker.container(id);
        return found ? settingsDifference(wanted, found) : ['gone'];
      };
      assert.equal(await differs(), [], JSON.stringify(wanted));
      if (isStarted) {
        await docker.start(id);
        assert.equal(await differs(), [], `started: ${JSON.stringify(wanted)}`);
      }
      await docker.remove(id);
    }
  });
  test.run();
}

async function makeFake(): Promise<Under> {
  const docker = createFakeDocker({ clock: new VirtualClock(), pathExists: () => true });
  docker.addImage('local/app:1');
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-specs-'));
  const cleanup = () => rm(folder, { recursive: true, force: true });
  return { docker, run: 'specs', image: 'local/app:1', subnet: '10.9.0', folder, cleanup };
}

specs('fake', makeFake);
const parts = await realParts();
if ('reason' in parts) console.log(`SKIP: docker-specs: ${parts.reason}`);
else specs('real engine', () => makeReal(parts.engine, parts.busybox, 'specs'));
