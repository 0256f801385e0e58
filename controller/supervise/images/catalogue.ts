/**
 * What `holdfast images build` can make: the servers of the addons, and the image of the example App. A person names one by its
 * recipe, or by recipe and version; without a version it is the one of this machine's own Debian. Pure.
 */
import { ADDON_IMAGES, LOCAL_REGISTRY } from '../../../resources/addon-images.ts';
import { nearest } from '../../../resources/near.ts';

export interface BuildableImage {
  /** Full name with its version. */
  image: string;
  /** Folder of images/ or examples/images/. */
  recipe: string;
  version: string;
  /** Debian that it is made from. */
  suite: string;
  /** Package's folder, relative. */
  folder: string;
  /** This program's own node goes into it, and these packages with what they need, as Holdfast itself has them. */
  node?: { packages: readonly string[] };
}

const SERVERS: readonly BuildableImage[] = Object.values(ADDON_IMAGES)
  .flat()
  .flatMap(({ version, local }) =>
    local === undefined ? [] : [{ ...local, version, folder: `images/${local.recipe}` }],
  );

const EXAMPLES: readonly BuildableImage[] = ['bookworm', 'trixie'].map((suite) => ({
  image: `${LOCAL_REGISTRY}/guestbook:1`,
  recipe: 'guestbook',
  version: '1',
  suite,
  folder: 'examples/images/guestbook',
  node: { packages: ['pg', 'ioredis'] },
}));

export const BUILDABLE: readonly BuildableImage[] = [...SERVERS, ...EXAMPLES];

/** Those that are made when nothing is named. */
export const USUAL = ['postgresql', 'mariadb', 'redis'];

/** Names as people write them, each once. Throws on one that is unknown. */
export function chosenImages(names: readonly string[], ownSuite: string): BuildableImage[] {
  const wanted = names.length > 0 ? names : USUAL;
  return [...new Set(wanted.map((name) => chosen(name, ownSuite)))];
}

function chosen(name: string, ownSuite: string): BuildableImage {
  const [recipe = '', version] = name.replace(`${LOCAL_REGISTRY}/`, '').split(':');
  const versions = BUILDABLE.filter((one) => one.recipe === recipe);
  const fitting = versions.filter((one) => version === undefined || one.version === version);
  const found = fitting.find(({ suite }) => suite === ownSuite) ?? fitting[0];
  if (found) return found;
  if (versions.length > 0) {
    const list = versions.map((one) => one.version).join(', ');
    throw new Error(`${recipe} can be built as ${list}, not as ${version}`);
  }
  const recipes = [...new Set(BUILDABLE.map((one) => one.recipe))];
  const near = nearest(recipe, recipes);
  const hint = near === undefined ? `there are ${recipes.join(', ')}` : `did you mean ${near}?`;
  throw new Error(`no image that can be built here is called "${recipe}"; ${hint}`);
}
