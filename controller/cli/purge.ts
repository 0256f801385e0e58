/**
 * `holdfast purge`: lists exactly what would be removed, asks for the word, and removes exactly that: containers, networks,
 * volumes and images with our mark, the units, the state folder with all data. What is not Holdfast's is not touched.
 */
import { createInterface } from 'node:readline/promises';
import { createFirewall } from '../../reconcilers/drivers/firewall/iptables.ts';
import { systemClock } from '../clock.ts';
import {
  type Belongings,
  describeBelongings,
  isEmpty,
  listBelongings,
  removeFromDocker,
  removeUnitsAndFolders,
} from '../supervise/belongings.ts';
import { ensureEngine, mayHaveContainers } from '../supervise/dockerd.ts';
import { layout, type Places } from '../supervise/layout.ts';
import {
  placeOptions,
  placesOf,
  terminalOf,
  type VerbContext,
  type VerbOptions,
} from '../supervise/verb-context.ts';
import { type DownContext, stopAll, stopIdleEngine } from './down.ts';

export interface PurgeOptions extends Places {
  yes?: boolean;
}

export interface PurgeContext extends DownContext {
  ask(question: string): Promise<string>;
}

/** Answers the exit code. */
export async function purge(options: PurgeOptions, context: PurgeContext): Promise<number> {
  const { terminal, clock } = context;
  const places = layout(options);
  if (process.getuid?.() !== 0) throw new Error('holdfast purge needs root: run it with sudo.');
  const docker = await ensureEngine(clock, (line) => terminal.say(line));
  if (docker === undefined && mayHaveContainers()) {
    throw new Error(
      'No Docker engine answers, so its containers cannot be listed: start it, then run this again.',
    );
  }
  const firewall = createFirewall();
  const found = await listBelongings(places, docker, firewall);
  if (isEmpty(found)) {
    terminal.say('Nothing to remove: there is no Holdfast here.');
    return 0;
  }
  for (const line of describeBelongings(found)) terminal.out(line);
  if (options.yes !== true && !(await isMeant(context))) return 1;
  for (const line of await stopAll(places, context)) terminal.say(line);
  const stayed = docker === undefined ? [] : await removeFromDocker(docker, found.docker);
  if (found.chains.length > 0) await firewall.remove();
  for (const line of await stopIdleEngine(context)) terminal.say(line);
  await removeUnitsAndFolders(found);
  tellTheEnd(found, stayed, context);
  return stayed.length === 0 ? 0 : 1;
}

async function isMeant({ ask, terminal }: PurgeContext): Promise<boolean> {
  const answer = await ask('All of this will be removed, and there is no way back. Type purge to do it: ');
  if (answer.trim() === 'purge') return true;
  terminal.say('Nothing was removed.');
  return false;
}

function tellTheEnd(found: Belongings, stayed: string[], { terminal }: PurgeContext): void {
  for (const line of stayed) terminal.say(`not removed: ${line}`);
  if (found.packages.length > 0) {
    terminal.say(
      `Packages that were installed for Holdfast stay, for others may use them: ${found.packages.join(' ')}`,
    );
  }
  if (stayed.length === 0) terminal.say('Holdfast is removed from this machine.');
}

/** One line of standard input; the end of it is no answer. */
async function ask(question: string, input: NodeJS.ReadableStream): Promise<string> {
  const lines = createInterface({ input, output: process.stderr });
  try {
    const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    return await Promise.race([lines.question(question), closed]);
  } finally {
    lines.close();
  }
}

export const command = {
  name: 'purge',
  summary: 'remove Holdfast with all its data from this machine',
  description:
    "Lists exactly what would be removed and asks for the word. What is not Holdfast's is not touched.",
  options: [...placeOptions, { flags: '--yes', description: 'do not ask' }],
  run(context: VerbContext, _args: readonly string[], options: VerbOptions): Promise<number> {
    return purge(
      { ...placesOf(context, options), yes: options['yes'] === true },
      {
        terminal: terminalOf(context),
        clock: systemClock,
        ask: (question) => ask(question, context.stdin),
      },
    );
  },
};
