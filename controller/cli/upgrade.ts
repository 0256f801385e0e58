/**
 * `holdfast upgrade`: run from a newer Holdfast, puts it in the place of the one that runs. Apps and sites serve all the while, requests
 * to the API wait, and what does not come up goes back by itself.
 */
import { systemClock } from '../clock.ts';
import { loadProfile } from '../supervise/apparmor.ts';
import { readInstallation, writeInstallation } from '../supervise/installation.ts';
import { layout, packageRoot } from '../supervise/layout.ts';
import { type LocalApi, localApi } from '../supervise/local-api.ts';
import { buildOf, ownProgram } from '../supervise/start.ts';
import { upgradeController } from '../supervise/upgrade.ts';
import { placeOptions, placesOf, type Terminal, terminalOf } from '../supervise/verb-context.ts';
import { CliError, durationOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'upgrade',
  summary: 'put this version of Holdfast in the place of the one that runs',
  description:
    'Run it from the newer version: NEW/bin/holdfast upgrade. Apps and sites go on serving and requests to the API wait. What the new version wants to change of running Apps waits for a maintenance window or `holdfast approve`. When it does not become ready, the version before runs again, with its database.',
  options: [
    ...placeOptions,
    { flags: '--timeout <duration>', description: 'How long it may take to become ready', default: '90s' },
  ],
  examples: ['/opt/holdfast-0.2.0/bin/holdfast upgrade'],
  async run(context, _args, options) {
    const places = layout(placesOf(context, options));
    const terminal = terminalOf(context);
    if (process.getuid?.() !== 0) throw new CliError('holdfast upgrade needs root: run it with sudo.');
    const installation = await readInstallation(places);
    const api = localApi(places.socket);
    if (installation === undefined || !(await api.isReady()))
      throw new CliError(
        installation === undefined
          ? `There is no Holdfast in ${places.state} to upgrade: holdfast up starts one.`
          : 'The controller that runs is not ready, so nobody could tell whether the new one is better: holdfast doctor tells what is wrong.',
      );
    const root = packageRoot();
    const build = buildOf(root);
    if (installation.build === build && (await api.version()) === context.version) {
      terminal.say(`Nothing to upgrade: ${context.version} runs.`);
      return 0;
    }
    for (const line of await loadProfile(root)) terminal.say(line);
    const result = await upgradeController({
      places,
      root,
      program: ownProgram(root),
      build,
      lastBuild: installation.build,
      clock: systemClock,
      api,
      version: context.version,
      readySeconds: (durationOption(options, 'timeout') ?? 90_000) / 1000,
    });
    if (!result.ok) throw new CliError(`Not upgraded: ${result.message}.`);
    await writeInstallation(places, { ...installation, build });
    terminal.say(`Holdfast ${context.version} runs; it was ${result.before}.`);
    await tellWaiting(api, terminal);
    return 0;
  },
};

async function tellWaiting(api: LocalApi, terminal: Terminal): Promise<void> {
  const waiting = (await api.list('App')).filter(({ status }) =>
    status?.conditions?.some(({ reason }) => reason === 'UpgradePending'),
  );
  if (waiting.length === 0) return;
  const names = waiting.map(({ metadata }) => `app/${metadata.name}`).join(', ');
  terminal.say(
    `It would make these anew, and waits: ${names}. holdfast plan shows why, holdfast approve lets it.`,
  );
}
