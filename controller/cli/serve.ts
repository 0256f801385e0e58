/**
 * `holdfast serve`: the controller itself, in the foreground, until SIGTERM or SIGINT. systemd or `holdfast up` start it.
 * Apps and sites go on when it ends.
 */
import { systemClock } from '../clock.ts';
import { createLog, logOptions } from '../log.ts';
import { startController } from '../main.ts';
import { heldSocket } from '../supervise/held-socket.ts';
import { layout } from '../supervise/layout.ts';
import { EDGE_UNIT, hasSystemd, unitFiles } from '../supervise/units.ts';
import { placeOptions, placesOf } from '../supervise/verb-context.ts';
import { durationOption, textOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'serve',
  summary: 'Run the controller in the foreground',
  description:
    'Keeps this machine as its documents say, until it is told to end. Apps and sites go on without it.',
  ownsSignals: true,
  options: [
    ...placeOptions,
    { flags: '--resync <duration>', description: 'Look at everything again this often', default: '5m' },
    {
      flags: '--docker <socket>',
      description: 'Socket of the Docker Engine (DOCKER_HOST, /var/run/docker.sock)',
    },
  ],
  async run(context, _args, options) {
    const places = layout(placesOf(context, options));
    const log = createLog(logOptions(context.env));
    const docker = textOption(options, 'docker');
    const resync = durationOption(options, 'resync');
    const held = heldSocket(process.env, process.pid);
    const controller = await startController({
      stateFolder: places.state,
      configFolder: places.config,
      socketPath: places.socket,
      version: context.version,
      clock: systemClock,
      log,
      nginxSupervisor: underSystemd(context.env) ? 'systemd' : 'daemon',
      ...(held === undefined ? {} : { heldSocket: held }),
      ...(docker === undefined ? {} : { dockerSocket: docker }),
      ...(resync === undefined ? {} : { resyncSeconds: resync / 1000 }),
    });
    await new Promise<void>((resolve) => {
      if (context.signal.aborted) resolve();
      context.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    log.info('the controller ends; apps and sites go on');
    await controller.stop();
    return 0;
  },
};

/** systemd started us, and has a unit for nginx. */
function underSystemd(env: NodeJS.ProcessEnv): boolean {
  return (
    env['INVOCATION_ID'] !== undefined && hasSystemd() && unitFiles().some((file) => file.endsWith(EDGE_UNIT))
  );
}
