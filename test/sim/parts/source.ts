/**
 * The folder of manifests: what people put there, how half and broken files come and go, and what looks as if all were removed: a folder
 * that is away, one that is mounted over, one that is made anew.
 */

import { nameOf } from '../../../controller/sources/entries.ts';
import type { FakeFile, FakeManifestFolder } from '../../../reconcilers/drivers/manifests/fake.ts';
import { condition, type Document, type Manifest } from '../../../resources/document.ts';
import type { Random } from '../../support/random.ts';
import { LISTENS_ON } from '../images.ts';
import type { Invariant } from '../invariants.ts';
import type { Simulation } from '../simulation.ts';
import { anySpec, manifest } from './app.ts';
import type { Disturbance, Part } from './part.ts';

/** The theme of it. */
export const FILES = 'files';

const PATHS = ['one.yaml', 'two.json', 'team/three.yml'] as const;
/** It may be half of what was there. */
const brokenText = (name: string) => `kind: App\nmetadata: {name: ${name}}\nspec: [`;
const WRITTEN = 'a file of manifests is written';
const SEPARATOR = '\n---\n';
const DELETED = /^info deleted a document that no file names (\{.*\})$/;

/** While another folder is in the place of that of people: what lies there, and what brings it back. */
interface Home {
  files: ReadonlyMap<string, FakeFile>;
  comesBack(): void;
}
const homes = new WeakMap<FakeManifestFolder, Home>();

/** What a file names, or undefined where that is not known. */
function manifestsIn({ bytes }: FakeFile): Manifest[] | undefined {
  try {
    return bytes
      .toString()
      .split(SEPARATOR)
      .map((text) => JSON.parse(text) as Manifest);
  } catch {
    return undefined;
  }
}

function names(file: FakeFile, document: string): boolean {
  const sound = manifestsIn(file);
  if (sound) return sound.some(({ kind, metadata }) => nameOf({ kind, name: metadata.name }) === document);
  // What is in a broken one, it may name.
  return file.bytes.includes(document.slice(document.indexOf('/') + 1));
}

const onlyWhatNoFileNames: Invariant = {
  name: 'a document goes with its file only when the folder was there, and no file of it names the document',
  check({ world: { manifests } }, moment) {
    const [, fields] = (moment.type === 'log' && DELETED.exec(moment.text)) || [];
    if (fields === undefined || !manifests) return undefined;
    const { file, document } = JSON.parse(fields) as { file: string; document: string };
    const { found } = manifests;
    if (!found) return `${document} of ${file} was deleted while the folder was away`;
    const home = homes.get(manifests);
    const namers = [...found, ...(home?.files ?? [])].filter(([, one]) => names(one, document));
    return namers.length > 0
      ? `${document} of ${file} was deleted, and ${namers[0]?.[0]} names it`
      : undefined;
  },
};

/** Uids of what files gave, by what the inventory ever said. */
const given = new WeakMap<FakeManifestFolder, Set<string>>();

const noteGiven: Invariant = {
  name: 'what files gave is known',
  check(sim, moment) {
    const { manifests } = sim.world;
    if (moment.type === 'log' && moment.text.startsWith('info applied a file again, against drift'))
      sim.unannouncedAt = sim.clock.monotonic();
    if (moment.type !== 'change' || moment.change.document.kind !== 'Source' || !manifests) return undefined;
    const uids = given.get(manifests) ?? new Set();
    given.set(manifests, uids);
    const { files = [] } = (moment.change.document.status ?? {}) as Listed;
    for (const { uid } of files.flatMap(({ documents = [] }) => documents))
      if (uid !== undefined) uids.add(uid);
    return undefined;
  },
};

function toFolder(
  name: string,
  weight: number,
  act: (folder: FakeManifestFolder, random: Random, sim: Simulation) => void,
  announced = true,
): Disturbance {
  return {
    name,
    weight,
    announced,
    act(sim, random) {
      const { manifests } = sim.world;
      // People do not write into what is mounted over their folder.
      if (manifests && !manifests.away && !homes.has(manifests)) act(manifests, random, sim);
    },
  };
}

function leave({ clock }: Simulation, folder: FakeManifestFolder, milliseconds: number, home: Home): void {
  homes.set(folder, home);
  clock.after(milliseconds, () => {
    if (homes.get(folder) === home) comeBack(folder);
  });
}

function comeBack(folder: FakeManifestFolder): void {
  const home = homes.get(folder);
  homes.delete(folder);
  home?.comesBack();
}

/** People have an App to a file, mostly; now and then a file names what another one has. */
function anyText(sim: Simulation, path: string, random: Random): string {
  const { appNames } = sim;
  const own = appNames[(PATHS as readonly string[]).indexOf(path) % appNames.length] ?? '';
  const chance = random.next();
  const chosen = chance < 0.6 ? [own] : chance < 0.85 ? [random.pick(appNames)] : appNames;
  return chosen.map((name) => JSON.stringify(manifest(name, anySpec(name, random)))).join(SEPARATOR);
}

const disturbances: readonly Disturbance[] = [
  toFolder(WRITTEN, 8, (folder, random, sim) => {
    const path = random.pick(PATHS);
    folder.put(path, anyText(sim, path, random));
  }),
  toFolder(
    'a file of manifests is removed while the controller is away',
    2,
    (folder, random, sim) => {
      sim.downtime = random.pick([1_000, 15_000]);
      sim.crash();
      folder.remove(random.pick(PATHS));
    },
    false,
  ),
  toFolder('a file of manifests is removed', 4, (folder, random) => folder.remove(random.pick(PATHS))),
  toFolder('a file of manifests is broken', 2, (folder, random, sim) =>
    folder.put(random.pick(PATHS), brokenText(random.pick(sim.appNames))),
  ),
  toFolder('a file of manifests moves', 2, (folder, random) => {
    const [from, to] = [random.pick(PATHS), random.pick(PATHS)];
    const text = folder.files.get(from)?.bytes;
    if (!text || from === to) return;
    folder.remove(from);
    folder.put(to, text);
  }),
  toFolder('a file of manifests is written slowly', 2, (folder, random, sim) => {
    const path = random.pick(PATHS);
    const text = anyText(sim, path, random);
    folder.put(path, text.slice(0, random.below(text.length)));
    folder.open.add(path);
    sim.clock.after(random.pick([100, 3_000]), () => {
      if (folder.open.delete(path) && folder.files.has(path)) folder.put(path, text);
    });
  }),
  toFolder(
    'the folder of manifests is away for a while',
    2,
    (folder, random, sim) => {
      folder.away = random.pick(['missing', 'unreadable']);
      sim.clock.after(random.pick([1_000, 40_000]), () => {
        folder.away = undefined;
      });
    },
    false,
  ),
  toFolder(
    'another folder is mounted over that of manifests',
    2,
    (folder, random, sim) => {
      const { folder: identity } = folder;
      const files = new Map(folder.files);
      leave(sim, folder, random.pick([1_000, 40_000, 400_000]), {
        files,
        comesBack: () => folder.replace(files, identity),
      });
      folder.replace();
    },
    false,
  ),
  toFolder(
    'the folder of manifests is made anew',
    2,
    (folder, random, sim) => {
      const files = new Map(folder.files);
      const [first, ...rest] = [...files];
      if (!first) return;
      leave(sim, folder, random.pick([100, 4_000]), {
        files,
        comesBack() {
          for (const [path, { bytes }] of rest) folder.put(path, bytes);
        },
      });
      const { device } = folder.folder;
      const [inode, birth] = [String(random.below(1e6) + 2), String(random.below(1e6))];
      folder.replace(new Map([first]), { device, inode, birth });
    },
    false,
  ),
];

interface Listed {
  folder?: string;
  files?: readonly {
    path: string;
    state: string;
    documents?: readonly { kind: string; name: string; uid?: string }[];
  }[];
}

function problems(sim: Simulation): string[] {
  const { world, store } = sim;
  const { manifests } = world;
  if (!manifests || !store) return [];
  const files = [...manifests.files].map(([path, file]) => ({ path, manifests: manifestsIn(file) }));
  const keysOf = ({ manifests: all = [] }: (typeof files)[number]) =>
    all.map(({ kind, metadata }) => nameOf({ kind, name: metadata.name }));
  const count = (key: string) => files.filter((file) => keysOf(file).includes(key)).length;
  const isBroken = files.some((file) => !file.manifests);
  // Of files that name the same, one waits until somebody has chosen.
  const judged = files.filter((file) => keysOf(file).every((key) => count(key) === 1));
  const found: string[] = [];
  for (const { kind, metadata, spec } of isBroken ? [] : judged.flatMap((file) => file.manifests ?? [])) {
    const document = store.get(kind, metadata.name);
    const key = nameOf({ kind, name: metadata.name });
    if (!document || document.metadata.deletionTimestamp)
      found.push(`a file names ${key}, which is not there`);
    // What somebody else wrote meanwhile is made good when all files are applied again.
    else if (!sim.isCalm && !isIn(spec, document.spec)) found.push(`${key} is not as its file says`);
  }
  const source = store.get('Source', 'manifests');
  const reason = isBroken || judged.length < files.length ? 'FilesFailed' : 'Applied';
  const { files: listed = [] } = (source?.status ?? {}) as Listed;
  // While one fails, what it gave, or may name, stays.
  for (const { path, documents = [] } of reason === 'FilesFailed' ? [] : listed) {
    const named = files.flatMap((file) => (file.path === path ? keysOf(file) : []));
    for (const { kind, name } of documents)
      if (!named.includes(nameOf({ kind, name })))
        found.push(`${path} names ${nameOf({ kind, name })} no more`);
  }
  const isGiven = ({ metadata }: Document) => given.get(manifests)?.has(metadata.uid) === true;
  for (const { kind, metadata } of reason === 'Applied' ? store.list('App').items.filter(isGiven) : [])
    if (count(nameOf({ kind, name: metadata.name })) === 0)
      found.push(`no file names ${metadata.name} any more, and it is there`);
  const ready = condition(source ?? {}, 'Ready');
  // Another folder, and nothing in it says that it is meant to be the same: a person has to say so.
  const { inode, birth } = manifests.folder;
  if (
    ready?.reason === 'FolderReplaced' &&
    !(source?.status as Listed | undefined)?.folder?.endsWith(`:${inode}:${birth}`)
  )
    return [];
  if (ready?.reason !== reason)
    found.push(`the folder is ${reason}, and its source says ${ready?.reason}: ${ready?.message}`);
  return found;
}

/** Every field of the one is in the other, as it is there. */
function isIn(part: unknown, whole: unknown): boolean {
  if (part === null || typeof part !== 'object' || Array.isArray(part))
    return JSON.stringify(part) === JSON.stringify(whole);
  if (whole === null || typeof whole !== 'object') return false;
  return Object.entries(part).every(([key, value]) => isIn(value, (whole as Record<string, unknown>)[key]));
}

export const sourcePart: Part = {
  kind: 'Source',
  theme: FILES,
  opening: [WRITTEN, WRITTEN],
  disturbances,
  invariants: [onlyWhatNoFileNames, noteGiven],
  lift({ world: { manifests }, appNames }) {
    if (!manifests) return;
    manifests.away = undefined;
    comeBack(manifests);
    manifests.open.clear();
    const [name = ''] = appNames;
    const sound = JSON.stringify(manifest(name, { image: 'local.test/web:1', port: LISTENS_ON }));
    for (const [path, file] of manifests.files) if (!manifestsIn(file)) manifests.put(path, sound);
  },
  problems: (sim) => problems(sim).map((problem) => `source/manifests: ${problem}`),
  empty({ world: { manifests } }) {
    for (const path of [...(manifests?.files.keys() ?? [])]) manifests?.remove(path);
  },
};
