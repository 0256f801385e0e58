/** Sites: one nginx for all of them, with its files, its certificates and whoever else wants its ports. */
import { condition } from '../../../resources/document.ts';
import type { Invariant } from '../invariants.ts';
import type { Simulation } from '../simulation.ts';
import type { Part } from './part.ts';

/** The newest looks count for this long: what was seen must be told before it is old. */
const LOOK_COUNTS_MILLISECONDS = 120_000;

const readyWasSeen: Invariant = {
  name: 'a site is called ready only when nginx was seen to serve it',
  check({ memory, clock }, moment) {
    if (moment.type !== 'change' || moment.change.document.kind !== 'Site') return undefined;
    const { document } = moment.change;
    const { name } = document.metadata;
    const ready = condition(document, 'Ready');
    const before = moment.change.type === 'MODIFIED' ? memory.previous : undefined;
    if (ready?.status !== 'True' || JSON.stringify(before?.status) === JSON.stringify(document.status))
      return undefined;
    const seen = memory.looks.some(
      ({ at, state }) =>
        at >= clock.monotonic() - LOOK_COUNTS_MILLISECONDS &&
        state.running &&
        state.loaded &&
        state.files.has(`sites/${name}.conf`),
    );
    return seen ? undefined : `site/${name} is told to be ${ready.reason}; nobody saw it`;
  },
};

export const sitePart: Part = {
  kind: 'Site',
  disturbances: [
    {
      name: 'nginx is killed',
      weight: 2,
      act: ({ world }) => world.nginx.kill(),
    },
    {
      name: 'somebody edits a file of nginx',
      weight: 2,
      act({ world: { nginx } }, random) {
        const paths = [...nginx.files.keys()];
        if (paths.length === 0) return;
        const path = random.pick(paths);
        nginx.edit(path, `${nginx.files.get(path) ?? ''}# edited ${random.below(1000)}\n`);
      },
    },
    {
      name: 'somebody removes a file of nginx',
      weight: 1,
      act({ world: { nginx } }, random) {
        const paths = [...nginx.files.keys()];
        if (paths.length > 0) nginx.edit(random.pick(paths), undefined);
      },
    },
    {
      name: 'somebody adds a file to nginx',
      weight: 1,
      act: ({ world }, random) => world.nginx.edit(`sites/theirs-${random.below(9)}.conf`, 'server {}\n'),
    },
    {
      name: 'a certificate goes',
      weight: 1,
      announced: false,
      act({ world: { nginx } }, random) {
        const names = [...nginx.pems.keys()];
        if (names.length > 0) nginx.pems.delete(random.pick(names));
      },
    },
    {
      name: 'another program has the port of nginx',
      weight: 1,
      announced: false,
      act(sim, random) {
        const { nginx } = sim.world;
        const port = random.pick([80, 443]);
        nginx.takePort(port, 'apache2');
        if (random.next() < 0.5) nginx.kill();
        sim.clock.after(random.pick([5_000, 60_000]), () => nginx.freePort(port));
      },
    },
    {
      name: 'nginx refuses a site for a while',
      weight: 1,
      announced: false,
      act(sim, random) {
        const { nginx } = sim.world;
        const path = `sites/${random.pick(['wiki', 'blog'])}.conf`;
        nginx.refuse((file) => (file === path ? 'unknown directive' : undefined));
        sim.memory.nginxRefuses = true;
      },
    },
    {
      name: 'nginx is another version',
      weight: 1,
      announced: false,
      act({ world: { nginx } }, random) {
        nginx.version = random.pick(['1.18.0', '1.22.1', '1.26.2']);
        nginx.kill();
      },
    },
    {
      name: 'months go by',
      weight: 1,
      announced: false,
      act: ({ clock }, random) => clock.jump(random.pick([30, 200, 300]) * 86_400_000),
    },
  ],
  invariants: [readyWasSeen],
  lift(sim) {
    const { nginx } = sim.world;
    for (const port of [80, 443, 8081, 8444]) nginx.freePort(port);
    if (sim.memory.nginxRefuses) nginx.refuse(() => undefined);
    // What was refused is tried again when the file that keeps the refusal is removed.
    for (const path of [...nginx.files.keys()]) if (path.startsWith('refused/')) nginx.edit(path, undefined);
    sim.memory.nginxRefuses = false;
  },
  problems(sim) {
    const { world, store } = sim;
    const { nginx } = world;
    if (!store || sim.memory.nginxRefuses) return [];
    const problems: string[] = [];
    if (!nginx.running) problems.push('nginx does not run');
    const sites = store.list('Site').items;
    for (const site of sites) problems.push(...problemsOf(sim, site));
    const served = [...nginx.files.keys()].filter((path) => path.startsWith('sites/'));
    const named = new Set(sites.map(({ metadata }) => `sites/${metadata.name}.conf`));
    for (const path of served) if (!named.has(path)) problems.push(`nginx has ${path}, which is of no site`);
    return problems;
  },
  leftovers({ world, store }) {
    const sites = store?.list('Site').items.map(({ metadata }) => `site/${metadata.name} is left`) ?? [];
    const files = [...world.nginx.files.keys()].filter((path) => path !== 'nginx.conf');
    const pems = [...world.nginx.pems.keys()].filter((name) => !name.startsWith('nobody'));
    return [...sites, ...[...files, ...pems].map((name) => `nginx keeps ${name}`)];
  },
};

function problemsOf(
  { world: { nginx }, store }: Simulation,
  site: ReturnType<NonNullable<Simulation['store']>['list']>['items'][number],
): string[] {
  const { name, deletionTimestamp, generation, ownerReferences } = site.metadata;
  const [owner] = ownerReferences ?? [];
  if (!owner || store?.get(owner.kind, owner.name)?.metadata.uid !== owner.uid)
    return [`site/${name} is an orphan`];
  if (deletionTimestamp) return [`site/${name} is still being deleted`];
  const ready = condition(site, 'Ready');
  if (ready?.reason === 'HostConflict') return [];
  if (ready?.status !== 'True' || site.status?.observedGeneration !== generation)
    return [`site/${name}: ${ready?.reason} ${ready?.message}, of ${site.status?.observedGeneration}`];
  const { hosts, upstream, state } = site.spec as {
    hosts: string[];
    upstream: { address: string; port: number };
    state?: string;
  };
  const text = nginx.files.get(`sites/${name}.conf`) ?? '';
  // Hosts with certificates of their own stand in servers of their own.
  const served = [...text.matchAll(/server_name ([^;]+);/g)].flatMap(([, names = '']) => names.split(' '));
  const missing = hosts.filter((host) => !served.includes(host));
  if (missing.length > 0) return [`nginx does not serve ${missing.join(' ')}`];
  const passes = text.includes(`proxy_pass http://${upstream.address}:${upstream.port};`);
  if (passes === (state === 'stopped'))
    return [`nginx ${passes ? 'passes' : 'does not pass'} ${hosts.join(' ')} on`];
  return [];
}
