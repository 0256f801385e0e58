/**
 * `holdfast images`: makes images on this machine from Debian's packages, lists what was made here, and removes only that. It asks the
 * Docker engine itself and needs no controller.
 */
import { spawn } from 'node:child_process';
import type Dockerode from 'dockerode';
import { duration } from '../../resources/columns.ts';
import { systemClock } from '../clock.ts';
import { sizeText } from '../supervise/belongings.ts';
import { ensureEngine } from '../supervise/dockerd.ts';
import { hasDebootstrap, ownSuite } from '../supervise/images/base.ts';
import { buildImage } from '../supervise/images/build.ts';
import { BUILDABLE, chosenImages } from '../supervise/images/catalogue.ts';
import { findOwn, ownImages } from '../supervise/images/list.ts';
import { packageRoot } from '../supervise/layout.ts';
import { type Terminal, terminalOf } from '../supervise/verb-context.ts';
import { table } from './terminal.ts';
import { type CliContext, CliError, flagOption, type VerbDefinition } from './verb.ts';

const names = [...new Set(BUILDABLE.map(({ image }) => image.replace('holdfast.local/', '')))];

export const command: VerbDefinition = {
  name: 'images',
  summary: 'make images of databases on this machine, without a registry',
  description: `build makes images from Debian's packages that behave as the official ones; an Addon without an image of its own
takes the newest of them. Without a name: postgresql, mariadb and redis, in the version of this machine's Debian.
list shows what was made here; rm removes it, and nothing else.

Can be built: ${names.join(', ')}.`,
  arguments: [
    { name: 'action', description: 'build, list or rm', required: true },
    { name: 'name', description: 'such as postgresql or postgresql:17', variadic: true },
  ],
  options: [{ flags: '--refresh', description: 'build: again, with the newest packages' }],
  examples: ['holdfast images build', 'holdfast images build postgresql:17', 'holdfast images list'],
  async run(context, [action = '', ...args], options) {
    const actions: Record<string, typeof build> = { build, list, ls: list, rm: remove };
    const act = actions[action];
    if (!act) throw new CliError(`images can build, list or rm, not "${action}"`);
    const terminal = terminalOf(context);
    const docker = await ensureEngine(systemClock, terminal.say);
    if (!docker)
      throw new CliError(
        'No Docker engine answers here. `npm run up` installs or starts one; then go on with this.',
      );
    await act({ context, terminal, docker, refresh: flagOption(options, 'refresh') }, args);
    return 0;
  },
};

interface Surroundings {
  context: CliContext;
  terminal: Terminal;
  docker: Dockerode;
  refresh: boolean;
}

async function build({ context, terminal, docker, refresh }: Surroundings, args: string[]): Promise<void> {
  const { signal } = context;
  const wanted = chosenImages(args, ownSuite());
  if (process.getuid?.() !== 0)
    throw new CliError('holdfast images build needs root, for mmdebstrap: run it with sudo.');
  await ensureDebootstrap(terminal);
  for (const one of wanted) {
    const options = { docker, root: packageRoot(), say: terminal.say, signal, refresh };
    const { image, outcome } = await buildImage(one, options);
    terminal.say(outcome === 'built' ? `${image} is built` : `${image} is there already`);
    terminal.out(image);
  }
}

async function list({ context, terminal, docker }: Surroundings): Promise<void> {
  const images = await ownImages(docker);
  if (images.length === 0) {
    terminal.say('No image was made here; holdfast images build makes some.');
    return;
  }
  const rows = images.map((one) => [
    one.name,
    sizeText(one.bytes),
    duration(context.now() - one.createdAt),
    one.users.join(', ') || '-',
  ]);
  context.stdout.write(table(['NAME', 'SIZE', 'AGE', 'USED BY'], rows));
}

async function remove({ terminal, docker }: Surroundings, args: string[]): Promise<void> {
  if (args.length === 0)
    throw new CliError('images rm needs the names of images; holdfast images list shows them');
  const images = await ownImages(docker);
  // All are looked at before one is removed.
  for (const one of args.map((name) => findOwn(images, name))) {
    await docker.getImage(one.name).remove();
    terminal.say(`${one.name} is removed`);
  }
}

async function ensureDebootstrap(terminal: Terminal): Promise<void> {
  if (hasDebootstrap()) return;
  terminal.say('will install mmdebstrap: makes the Debian that the images are built from');
  const args = [
    '-q',
    '-o',
    'DPkg::Lock::Timeout=300',
    'install',
    '-y',
    '--no-install-recommends',
    'mmdebstrap',
  ];
  if ((await apt(args)).code === 0) return;
  // Lists that are weeks old name files that are gone.
  await apt(['-q', 'update']);
  const { code, words } = await apt(args);
  if (code !== 0)
    throw new CliError(`apt-get could not install mmdebstrap; its last words:\n${words.trim()}`);
}

function apt(args: string[]): Promise<{ code: number; words: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('apt-get', args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    let words = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        words = `${words}${text}`.slice(-2_000);
      });
    child.once('error', () =>
      reject(new CliError('This is not Debian or Ubuntu: install mmdebstrap by hand.')),
    );
    child.once('close', (code) => resolve({ code: code ?? 1, words }));
  });
}
