/**
 * Public ports that an App wants and somebody else has, found by looking at the machine's sockets and at Docker, so that a plan can
 * name who it is. Called by observe; costs nothing while the App's own container has its ports.
 */
import type { Json } from '../../resources/document.ts';
import type { SeenContainer } from '../container/seen.ts';
import { LABEL } from '../drivers/docker/index.ts';
import type { Listener } from '../drivers/host/index.ts';
import type { Reading } from '../world.ts';
import type { AppWant } from './want.ts';

export interface TakenPort {
  port: number;
  /** "nginx (pid 812)", "container registry". */
  by: string;
  /** The App whose container it is. */
  app?: string;
}

export async function findTakenPorts(
  { app, deleting }: AppWant,
  containers: readonly SeenContainer[],
  { host, docker }: Pick<Reading, 'host' | 'docker'>,
): Promise<TakenPort[]> {
  if (app.tcpPorts.length === 0 || app.state === 'stopped' || deleting) return [];
  const own = new Set(containers.filter(({ state }) => HOLDS.has(state)).flatMap(portsOf));
  const wanted = app.tcpPorts.map(({ hostPort }) => hostPort).filter((port) => !own.has(port));
  if (wanted.length === 0) return [];
  const listeners = (await host.listeners()).filter(({ protocol }) => protocol === 'tcp');
  const taken: TakenPort[] = [];
  for (const port of wanted) {
    // Without its proxy Docker forwards by rules, and no socket tells of it.
    const container = await docker.publisherOf(port);
    const listener = listeners.find((one) => one.port === port);
    // An engine that says one thing in a list and another in a look: it is not in its own way.
    if (containers.some(({ name }) => name === container)) continue;
    if (container !== undefined) {
      const ours = (await docker.containers()).find(({ name }) => name === container);
      const app = ours?.labels[LABEL.kind] === 'App' ? ours.labels[LABEL.name] : undefined;
      taken.push({ port, by: `container ${container}`, ...(app === undefined ? {} : { app }) });
    } else if (listener) taken.push({ port, by: programOf(listener) });
  }
  return taken;
}

const HOLDS: ReadonlySet<string> = new Set(['running', 'restarting', 'paused']);

export function portsOf({ settings, details }: SeenContainer): number[] {
  if (details) return details.settings.ports.map(({ hostPort }) => hostPort);
  const made = JSON.parse(settings ?? '{}') as Record<string, Json>;
  return Object.keys(made).flatMap((field) => (field.startsWith('ports.') ? Number(field.slice(6)) : []));
}

function programOf({ program, pid, address, port }: Listener): string {
  return program === undefined ? `another program on ${address}:${port}` : `${program} (pid ${pid ?? '?'})`;
}
