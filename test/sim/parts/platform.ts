/** Platform: the network of all containers, the engine and the machine under it. */
import { LABEL } from '../../../reconcilers/drivers/docker/index.ts';
import { API_VERSION, condition } from '../../../resources/document.ts';
import type { Simulation } from '../simulation.ts';
import { BRIDGE, ourContainers } from '../world.ts';
import type { Part } from './part.ts';

const NETWORK = 'holdfast';

export const platformPart: Part = {
  kind: 'Platform',
  disturbances: [
    {
      name: 'the platform is changed',
      weight: 2,
      act(sim, random) {
        const spec = {
          ...(random.next() < 0.5
            ? { http: { port: random.pick([80, 8081]), httpsPort: random.pick([443, 8444]) } }
            : {}),
          ...(random.next() < 0.4 ? { network: { dns: [random.pick(['9.9.9.9', '1.1.1.1'])] } } : {}),
          ...(random.next() < 0.3 ? { health: { intervalSeconds: random.pick([5, 20]) } } : {}),
        };
        const document = { apiVersion: API_VERSION, kind: 'Platform', metadata: { name: 'platform' }, spec };
        sim.people('apply platform/platform', [{ verb: 'apply', document, manager: 'holdfast' }]);
      },
    },
    {
      name: 'the platform is deleted',
      weight: 1,
      act(sim) {
        const reference = { kind: 'Platform', name: 'platform' };
        sim.people('delete platform/platform', [{ verb: 'delete', reference }]);
      },
    },
    {
      name: 'somebody removes the network',
      weight: 1,
      act({ world: { docker } }) {
        const network = docker.engine.findNetwork(NETWORK);
        if (!network) return;
        for (const container of ourContainers(docker)) {
          if (container.addresses[NETWORK] !== undefined) docker.engine.disconnect(container, NETWORK);
        }
        docker.engine.removeNetwork(network);
      },
    },
    {
      name: 'the rules of the firewall are flushed',
      weight: 1,
      announced: false,
      act: ({ world }) => world.firewall.flush(),
    },
    {
      name: 'somebody has a network of their own',
      weight: 1,
      act(sim, random) {
        const { docker } = sim.world;
        const name = `theirs-${random.below(1000)}`;
        if (docker.engine.findNetwork(name)) return;
        const subnets = [`10.${random.below(250)}.0.0/16`];
        const made = docker.engine.addNetwork({ name, driver: 'bridge', subnets, labels: {}, options: {} });
        sim.memory.addForeign(sim.world, `network ${made.id}`);
      },
    },
    {
      name: 'the engine goes away and comes back',
      weight: 2,
      act(sim, random) {
        goDown(sim, random.next() < 0.5);
        sim.clock.after(random.pick([200, 2_000, 20_000]), () => comeUp(sim));
      },
    },
    {
      name: 'the machine starts anew',
      weight: 1,
      act(sim, random) {
        const { nginx } = sim.world;
        sim.downtime = random.pick([500, 8_000]);
        sim.crash();
        goDown(sim, false);
        nginx.kill();
        sim.clock.after(random.pick([500, 8_000]), () => comeUp(sim));
      },
    },
  ],
  lift(sim) {
    // Docker is started again, which makes its rules anew.
    if (!sim.memory.engineIsDown) sim.world.firewall.dockerStarts(BRIDGE);
    comeUp(sim);
  },
  problems(sim) {
    const { store, world } = sim;
    const platform = store?.get('Platform', 'platform');
    if (!platform) return ['there is no platform'];
    const ready = condition(platform, 'Ready');
    const network = world.docker.engine.findNetwork(NETWORK);
    const problems: string[] = [];
    if (network?.labels[LABEL.managed] !== 'true') problems.push('there is no network of ours');
    if (ready?.status !== 'True') problems.push(`platform: ${ready?.reason} ${ready?.message}`);
    const known = (platform.status as { network?: { id?: string } } | undefined)?.network?.id;
    if (network && known !== network.id)
      problems.push(`platform knows the network ${known}, not ${network.id}`);
    if (platform.status?.observedGeneration !== platform.metadata.generation)
      problems.push('platform: old status');
    const version = (platform.status as { version?: string } | undefined)?.version;
    if (version !== sim.version) problems.push(`platform tells of version ${version}, not ${sim.version}`);
    return problems;
  },
};

function goDown(sim: Simulation, containersLive: boolean): void {
  sim.memory.engineIsDown = true;
  sim.world.docker.goDown({ containersLive });
  sim.memory.refreshForeign(sim.world);
}

function comeUp(sim: Simulation): void {
  if (!sim.memory.engineIsDown) return;
  sim.memory.engineIsDown = false;
  sim.world.docker.comeUp();
  sim.world.firewall.dockerStarts(BRIDGE);
  sim.memory.refreshForeign(sim.world);
}
