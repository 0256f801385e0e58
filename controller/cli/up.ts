/**
 * `holdfast up`: starts the controller so that it stays, and with --examples shows a first App from YAML to a served page. Run
 * again it changes nothing and says so. It writes documents through the API like anybody else, and touches nothing that is not
 * Holdfast's: ports that others have stay theirs.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import type { Document } from '../../resources/document.ts';
import { type Clock, delay, systemClock } from '../clock.ts';
import { loadProfile } from '../supervise/apparmor.ts';
import { ensureEngine } from '../supervise/dockerd.ts';
import { edgeProcesses } from '../supervise/edge.ts';
import { buildExampleImage, EXAMPLE_IMAGE } from '../supervise/example-image.ts';
import {
  applyExample,
  curlLine,
  EXAMPLE,
  urlOf,
  waitUntilReady,
  waitUntilServed,
} from '../supervise/examples.ts';
import { ensureInstallation, type Installation, writeInstallation } from '../supervise/installation.ts';
import { type Layout, layout, type Places, packageRoot, serveArguments } from '../supervise/layout.ts';
import { type LocalApi, localApi } from '../supervise/local-api.ts';
import { choosePorts, type EdgePorts, USUAL } from '../supervise/ports.ts';
import { buildOf, controllerLog, ownProgram, startController, supervised } from '../supervise/start.ts';
import { CONTROLLER_UNIT, hasSystemd, systemctl } from '../supervise/units.ts';
import {
  placeOptions,
  placesOf,
  type Terminal,
  terminalOf,
  type VerbContext,
  type VerbOptions,
} from '../supervise/verb-context.ts';

export interface UpOptions extends Places {
  examples?: boolean;
  httpPort?: number | undefined;
  httpsPort?: number | undefined;
  foreground?: boolean;
}

export interface UpContext {
  terminal: Terminal;
  clock: Clock;
  root: string;
  /** The words before `serve`. */
  program: string[];
}

const READY_SECONDS = 90;
const EXAMPLE_SECONDS = 180;

/** Answers the exit code. */
export async function up(options: UpOptions, context: UpContext): Promise<number> {
  const { terminal } = context;
  const places = layout(options);
  const docker = await checkMachine(context);
  const installation = await ensureInstallation(places);
  const api = localApi(places.socket);
  // Asked before our own nginx can have them.
  const free = await portsToUse(options, places);
  const did: string[] = [];
  const foreground = options.foreground === true ? runInForeground(places, context) : undefined;
  if (foreground === undefined) did.push(...(await keepRunning(places, installation, api, context)));
  for (const line of did) terminal.say(line);
  await waitForController(places, api, context, foreground);
  const ports = await settlePorts(api, free, options, did, terminal);
  if (options.examples === true) {
    if ((await buildExampleImage(docker, context.root)) === 'built')
      tell(did, terminal, `${EXAMPLE_IMAGE} is built`);
    await showExample({ api, places, ports, did }, context);
  }
  terminal.say(did.length === 0 ? 'Nothing to change: Holdfast runs.' : 'Holdfast runs.');
  return foreground ?? 0;
}

function tell(did: string[], terminal: Terminal, line: string): void {
  did.push(line);
  terminal.say(line);
}

async function checkMachine({ clock, terminal }: UpContext) {
  if (process.getuid?.() !== 0)
    throw new Error('holdfast up needs root, for Docker, nginx and their files: run it with sudo.');
  const docker = await ensureEngine(clock, (line) => terminal.say(line));
  if (docker !== undefined) return docker;
  throw new Error(
    'No Docker engine answers here. `npm run up` installs or starts one; then go on with this.',
  );
}

async function keepRunning(
  places: Layout,
  installation: Installation,
  api: LocalApi,
  context: UpContext,
): Promise<string[]> {
  const build = buildOf(context.root);
  const { clock, root, program } = context;
  const profile = await loadProfile(root);
  const did = await startController(
    { places, root, program, build, lastBuild: installation.build, clock },
    api,
  );
  did.unshift(...profile);
  if (build !== installation.build) {
    installation.build = build;
    await writeInstallation(places, installation);
  }
  return did;
}

/** Resolves with its exit code. What ends this ends it; Ctrl-C reaches it twice, which does no harm. */
function runInForeground(places: Layout, context: UpContext): Promise<number> {
  const [program = '', ...args] = [...context.program, ...serveArguments(places)];
  const child = spawn(program, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

async function waitForController(
  places: Layout,
  api: LocalApi,
  { clock, terminal }: UpContext,
  foreground: Promise<number> | undefined,
): Promise<void> {
  const deadline = clock.monotonic() + READY_SECONDS * 1000;
  let ended = false;
  void foreground?.then(() => {
    ended = true;
  });
  for (let round = 0; !(await api.isReady()); round += 1) {
    if (round === 15) terminal.say('waiting for the controller');
    if (ended) throw new Error('The controller ended; its words are above.');
    if (clock.monotonic() > deadline) {
      throw new Error(
        `The controller did not become ready within ${READY_SECONDS} s.\n${await lastWords(places)}`,
      );
    }
    await delay(clock, 200);
  }
}

async function lastWords(places: Layout): Promise<string> {
  if (hasSystemd()) {
    const { output } = await systemctl('status', '--no-pager', '--lines=20', CONTROLLER_UNIT);
    return `${output}\njournalctl -u ${CONTROLLER_UNIT} tells more.`;
  }
  const file = controllerLog(places);
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-20) : [];
  const alive = supervised(places).controller === undefined ? 'It does not run.' : 'It runs.';
  return [...lines, `${alive} ${file} tells more.`].join('\n');
}

/** undefined when nginx of ours has its ports already. */
async function portsToUse(options: UpOptions, places: Layout): Promise<EdgePorts | undefined> {
  if (edgeProcesses(places.nginx).length > 0) return undefined;
  if (options.httpPort !== undefined && options.httpsPort !== undefined) return undefined;
  return choosePorts();
}

function portsOf(platform: Document | undefined): Partial<EdgePorts> {
  const http = platform?.spec['http'];
  if (typeof http !== 'object' || http === null) return {};
  const { port, httpsPort } = http as Record<string, unknown>;
  return {
    ...(typeof port === 'number' ? { port } : {}),
    ...(typeof httpsPort === 'number' ? { httpsPort } : {}),
  };
}

/** What a person or an earlier `up` wrote stays, unless options say otherwise; only unwritten ports are chosen. */
async function settlePorts(
  api: LocalApi,
  free: EdgePorts | undefined,
  options: UpOptions,
  did: string[],
  terminal: Terminal,
): Promise<EdgePorts> {
  const present = portsOf(await api.get('Platform', 'platform'));
  const asked = {
    ...(options.httpPort === undefined ? {} : { port: options.httpPort }),
    ...(options.httpsPort === undefined ? {} : { httpsPort: options.httpsPort }),
  };
  const written = present.port !== undefined || present.httpsPort !== undefined;
  const chosen = written || free === undefined ? {} : free;
  const ports = { ...USUAL, ...chosen, ...present, ...asked };
  const before = { ...USUAL, ...present };
  if (ports.port === before.port && ports.httpsPort === before.httpsPort) return ports;
  const manifest = {
    apiVersion: 'holdfast.dev/v1',
    kind: 'Platform',
    metadata: { name: 'platform' },
    spec: { http: ports },
  };
  await api.apply(manifest, 'holdfast-up');
  const why = Object.keys(asked).length > 0 ? 'as you asked' : 'for 80 or 443 belongs to another program';
  tell(
    did,
    terminal,
    `nginx listens on ${ports.port} and ${ports.httpsPort}, ${why} (platform/platform, spec.http)`,
  );
  return ports;
}

async function showExample(
  now: { api: LocalApi; places: Layout; ports: EdgePorts; did: string[] },
  { root, terminal, clock }: UpContext,
): Promise<void> {
  const { api, places, ports, did } = now;
  const installation = await ensureInstallation(places);
  const { outcome, examples } = await applyExample(api, root, installation);
  if (outcome !== 'unchanged') tell(did, terminal, `app/${EXAMPLE} ${outcome}`);
  const app = await waitUntilReady(api, clock, (line) => terminal.say(line), EXAMPLE_SECONDS);
  if (installation.examples !== examples) await writeInstallation(places, { ...installation, examples });
  if (app === undefined) {
    terminal.say(
      `app/${EXAMPLE} was deleted; \`holdfast apply -f examples/${EXAMPLE}.yaml\` brings it back.`,
    );
    return;
  }
  const fqdn = (app.status as { fqdn?: unknown } | undefined)?.fqdn;
  const host = typeof fqdn === 'string' ? fqdn : `${EXAMPLE}.localhost`;
  const address = { host, port: ports.httpsPort, authority: places.authority };
  await waitUntilServed(address, clock, 60);
  terminal.say(`${EXAMPLE} is served. In a browser (which does not know its authority yet), or by curl:`);
  terminal.out(urlOf(address));
  terminal.out(curlLine(address));
}

function portOption(options: VerbOptions, name: string): number | undefined {
  const text = options[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value < 65536) return value;
  throw new Error(`${String(text)} is no port: a number from 1 to 65535 is.`);
}

export const command = {
  name: 'up',
  summary: 'start Holdfast on this machine so that it stays',
  description:
    'Where there is systemd the controller and nginx become units, which come back after a reboot; elsewhere they are started in the background. With --examples a first App is built, applied and served. Run again it changes nothing.',
  options: [
    ...placeOptions,
    {
      flags: '--examples',
      description: 'build the example image, apply examples/hello.yaml, wait until it is served',
    },
    {
      flags: '--http-port <number>',
      description: 'where nginx listens for HTTP (80, or a free one from 8080)',
    },
    {
      flags: '--https-port <number>',
      description: 'where nginx listens for HTTPS (443, or a free one from 8443)',
    },
    { flags: '--foreground', description: 'run the controller here, not in the background' },
  ],
  examples: ['holdfast up --examples', 'holdfast up --http-port 8080 --https-port 8443'],
  async run(context: VerbContext, _args: readonly string[], options: VerbOptions): Promise<number> {
    const root = packageRoot();
    // Every step can be cut off and done again by the next up; only a controller in the foreground must end first.
    if (options['foreground'] !== true) context.signal.addEventListener('abort', () => process.exit(130));
    const wanted = {
      ...placesOf(context, options),
      examples: options['examples'] === true,
      foreground: options['foreground'] === true,
      httpPort: portOption(options, 'httpPort'),
      httpsPort: portOption(options, 'httpsPort'),
    };
    return up(wanted, { terminal: terminalOf(context), clock: systemClock, root, program: ownProgram(root) });
  },
};
