/**
 * Makes images on this machine from Debian's packages: for machines with no registry, and for tests. What an image was made from is
 * kept as a label, so that building again makes nothing unless something changed. Called by `holdfast images build` and by
 * `up --examples`.
 */
import path from 'node:path';
import type Dockerode from 'dockerode';
import { MARK } from '../inventory.ts';
import { ensureBase } from './base.ts';
import type { BuildableImage } from './catalogue.ts';
import { filesBelow, hashOfFiles, nodeProgram, packageFiles, tarOf } from './context.ts';
import { contentOf, endOf } from './engine.ts';

export interface BuildOptions {
  docker: Dockerode;
  /** The package's folder. */
  root: string;
  say(line: string): void;
  signal: AbortSignal;
  /** Newer packages, although nothing of ours changed. */
  refresh: boolean;
}

export interface BuildResult {
  image: string;
  outcome: 'built' | 'present';
}

export async function buildImage(wanted: BuildableImage, options: BuildOptions): Promise<BuildResult> {
  const { docker, root, say, signal, refresh } = options;
  const { image, suite, version } = wanted;
  const packages = await packageFiles(root, wanted.node?.packages ?? []);
  const files = [...(await filesBelow(path.join(root, wanted.folder))), ...packages];
  const large = wanted.node ? [await nodeProgram()] : [];
  const base = await ensureBase({ docker, suite, say, signal, refresh });
  const content = hashOfFiles(files, large, `${base}\0${version}`);
  if (!refresh && (await contentOf(docker, image))?.content === content) return { image, outcome: 'present' };
  say(`building ${image} from Debian ${suite} (about a minute)`);
  const output = await docker.buildImage(tarOf(files, large), {
    t: image,
    buildargs: { BASE: base, VERSION: version },
    labels: { [MARK.image]: content },
    nocache: refresh,
    forcerm: true,
    abortSignal: signal,
  });
  await endOf(docker, output, image, (line) => say(`  ${line.split('\n')[0] ?? ''}`));
  return { image, outcome: 'built' };
}
