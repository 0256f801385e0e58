/**
 * Builds the image of the examples on this machine, from examples/images/hello and the machine's static busybox, so that a
 * first App needs no registry. `up --examples` calls it. An image with the same content is left as it is.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import { pack } from 'tar-stream';
import { type ContextFile, filesBelow } from './images/context.ts';
import { MARK } from './inventory.ts';

export const EXAMPLE_IMAGE = 'holdfast.local/hello:1';

/** Programs of busybox that the image's scripts use, or that a person looks around with. */
const programs = [
  'sh',
  'cat',
  'env',
  'hostname',
  'httpd',
  'id',
  'ls',
  'nc',
  'ps',
  'sleep',
  'vi',
  'wc',
  'wget',
];

/** Whether an ELF program names a dynamic loader (program header PT_INTERP). In an image FROM scratch there is none. */
export function isStatic(program: Buffer): boolean {
  const is64 = program[4] === 2;
  if (program.readUInt32BE(0) !== 0x7f454c46 || program[5] !== 1) return false;
  const [start, size, count] = is64
    ? [Number(program.readBigUInt64LE(0x20)), program.readUInt16LE(0x36), program.readUInt16LE(0x38)]
    : [program.readUInt32LE(0x1c), program.readUInt16LE(0x2a), program.readUInt16LE(0x2c)];
  for (let index = 0; index < count; index += 1) {
    if (program.readUInt32LE(start + index * size) === 3) return false;
  }
  return true;
}

async function findBusybox(): Promise<Buffer> {
  for (const file of ['/bin/busybox', '/usr/bin/busybox']) {
    const program = await readFile(file).catch(() => undefined);
    if (program !== undefined && isStatic(program)) return program;
  }
  throw new Error(
    'The example image is made of a statically linked busybox, and this machine has none: apt-get install busybox-static',
  );
}

function hashOf(files: ContextFile[]): string {
  const hash = createHash('sha256').update(programs.join(' '));
  for (const { name, mode, content } of files)
    hash.update(`\0${name}\0${mode}\0${content.length}\0`).update(content);
  return hash.digest('hex');
}

function contextOf(files: ContextFile[]): Readable {
  const tar = pack();
  // No times: the same content is the same image.
  const mtime = new Date(0);
  for (const { name, mode, content } of files) tar.entry({ name, mode, mtime }, content);
  for (const program of programs) {
    tar.entry({ name: `bin/${program}`, type: 'symlink', linkname: 'busybox', mtime });
  }
  tar.finalize();
  return tar.pipe(new PassThrough());
}

/** Reads the builder's lines to the end; one with an error is the failure. */
async function finish(docker: Dockerode, output: NodeJS.ReadableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(output, (error, lines: { error?: string }[] | null) => {
      const failure = error?.message ?? lines?.find((line) => line.error !== undefined)?.error;
      if (failure === undefined) resolve();
      else reject(new Error(`The example image could not be built: ${failure}`));
    });
  });
}

/** `root` is the package's folder. */
export async function buildExampleImage(docker: Dockerode, root: string): Promise<'built' | 'present'> {
  const busybox = { name: 'bin/busybox', mode: 0o755, content: await findBusybox() };
  const files = [...(await filesBelow(path.join(root, 'examples/images/hello'))), busybox];
  const content = hashOf(files);
  const present = await docker
    .getImage(EXAMPLE_IMAGE)
    .inspect()
    .catch(() => undefined);
  if (present?.Config.Labels?.[MARK.image] === content) return 'present';
  const output = await docker.buildImage(contextOf(files), {
    t: EXAMPLE_IMAGE,
    labels: { [MARK.image]: content },
    forcerm: true,
  });
  await finish(docker, output);
  return 'built';
}
