/**
 * `holdfast down`: stops the controller, nginx and the containers of all Apps, so that they also stay down at the next boot,
 * and leaves every byte of data. It works while the controller is dead: what is Holdfast's is known by its marks.
 */

import type Dockerode from 'dockerode';
import { type Clock, systemClock } from '../clock.ts';
import { mayHaveContainers, stopOwnEngine } from '../supervise/dockerd.ts';
import { stopEdge } from '../supervise/edge.ts';
import { findEngine, type Inventory, stopContainer, takeInventory } from '../supervise/inventory.ts';
import { type Layout, layout, type Places } from '../supervise/layout.ts';
import { localApi } from '../supervise/local-api.ts';
import { stopSupervised } from '../supervise/start.ts';
import { disableUnits, hasSystemd, installedState } from '../supervise/units.ts';
import {
  placeOptions,
  placesOf,
  type Terminal,
  terminalOf,
  type VerbContext,
  type VerbOptions,
} from '../supervise/verb-context.ts';

export interface DownContext {
  terminal: Terminal;
  clock: Clock;
}

/** What an App gets between SIGTERM and SIGKILL. */
const GRACE_SECONDS = 10;
const AT_ONCE = 4;

/** Answers the exit code. */
export async function down(options: Places, context: DownContext): Promise<number> {
  const { terminal } = context;
  const places = layout(options);
  const did = [...(await stopAll(places, context)), ...(await stopIdleEngine(context))];
  for (const line of did) terminal.say(line);
  terminal.say(did.length === 0 ? 'Nothing to stop: Holdfast does not run.' : 'Holdfast is stopped.');
  terminal.say(`Data stays in ${places.state}; \`holdfast up\` goes on with it.`);
  return 0;
}

/** Controller first: it would start again what is stopped. Answers what was done, as sentences. */
export async function stopAll(places: Layout, { clock, terminal }: DownContext): Promise<string[]> {
  const did = await stopController(places, clock);
  if (await stopEdge(clock, places.nginx)) did.push('nginx is stopped');
  const docker = await findEngine();
  if (docker === undefined) {
    if (mayHaveContainers()) terminal.say('No Docker engine answers, so no container was looked at.');
    return did;
  }
  did.push(...(await stopContainers(docker, await takeInventory(docker, places.state))));
  return did;
}

/** A dockerd that was started for Holdfast. Any other one is left alone. */
export async function stopIdleEngine({ clock, terminal }: DownContext): Promise<string[]> {
  const docker = await findEngine();
  if (docker === undefined) return [];
  const engine = await stopOwnEngine(docker, clock);
  if (engine === 'busy')
    terminal.say('dockerd was started for Holdfast, but other containers run in it: it goes on.');
  return engine === 'stopped'
    ? ['dockerd is stopped: it was started for Holdfast and nothing else runs in it']
    : [];
}

async function stopController(places: Layout, clock: Clock): Promise<string[]> {
  const did: string[] = [];
  if (hasSystemd() && (await installedState()) === places.state) {
    for (const unit of await disableUnits()) did.push(`${unit} is stopped and not started at boot`);
  }
  if (await stopSupervised(places, clock)) did.push('the controller is stopped');
  if (await localApi(places.socket).isReady()) {
    throw new Error(
      `A controller that was started by hand still answers on ${places.socket}, and would start again what is stopped: end it first.`,
    );
  }
  return did;
}

async function stopContainers(docker: Dockerode, { containers }: Inventory): Promise<string[]> {
  const waiting = containers.filter((container) => container.running);
  const stopped: string[] = [];
  const lane = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      await stopContainer(docker, one.id, GRACE_SECONDS);
      stopped.push(`container ${one.name} is stopped`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return stopped.sort();
}

export const command = {
  name: 'down',
  summary: 'stop the controller, nginx and all Apps, and leave their data',
  description:
    'They stay down at the next boot too, until `holdfast up`. It works while the controller is dead.',
  options: placeOptions,
  run(context: VerbContext, _args: readonly string[], options: VerbOptions): Promise<number> {
    return down(placesOf(context, options), { terminal: terminalOf(context), clock: systemClock });
  },
};
