/**
 * Which images serve the addons: the official ones, and those that `holdfast images build` makes on this machine from Debian's
 * packages, which keep to what the official ones do. One table for the types of addons, for the builder and for the documentation.
 */
import type { ServerType } from './addons.ts';

export interface AddonImage {
  /** As an Addon names it in spec.version. */
  version: string;
  official: string;
  /** Absent: no Debian has it. */
  local?: {
    image: string;
    /** Folder of images/ that it is made from. */
    recipe: string;
    /** The Debian whose packages have this version. */
    suite: string;
  };
}

/** A registry by this name does not exist: what is not built here is not pulled from anywhere. */
export const LOCAL_REGISTRY = 'holdfast.local';

function local(recipe: string, version: string, suite: string): AddonImage['local'] & object {
  return { image: `${LOCAL_REGISTRY}/${recipe}:${version}`, recipe, suite };
}

/** Oldest first. */
export const ADDON_IMAGES: Readonly<Record<ServerType, readonly AddonImage[]>> = {
  postgresql: [
    { version: '15', official: 'postgres:15', local: local('postgresql', '15', 'bookworm') },
    { version: '16', official: 'postgres:16' },
    { version: '17', official: 'postgres:17', local: local('postgresql', '17', 'trixie') },
  ],
  mysql: [
    { version: '8.0', official: 'mysql:8.0' },
    { version: '8.4', official: 'mysql:8.4' },
    { version: '10.11', official: 'mariadb:10.11', local: local('mariadb', '10.11', 'bookworm') },
    { version: '11.8', official: 'mariadb:11.8', local: local('mariadb', '11.8', 'trixie') },
  ],
  redis: [
    { version: '7', official: 'redis:7', local: local('redis', '7', 'bookworm') },
    { version: '8', official: 'redis:8', local: local('redis', '8', 'trixie') },
  ],
  mongodb: [
    { version: '7.0', official: 'mongo:7.0' },
    { version: '8.0', official: 'mongo:8.0' },
  ],
};

/** What a new Addon gets that names no version, where nothing was built on this machine. */
export const DEFAULT_VERSION: Readonly<Record<ServerType, string>> = {
  postgresql: '17',
  mysql: '10.11',
  redis: '7',
  mongodb: '8.0',
};

/** The entry of a version. Versions that are not in the table are official ones by the same names. */
export function addonImage(type: ServerType, version: string): AddonImage {
  const known = ADDON_IMAGES[type].find((entry) => entry.version === version);
  if (known) return known;
  const names = { postgresql: 'postgres', redis: 'redis', mongodb: 'mongo' };
  // MariaDB left MySQL's numbers behind at 10.
  const name = type === 'mysql' ? (Number.parseInt(version, 10) >= 10 ? 'mariadb' : 'mysql') : names[type];
  return { version, official: `${name}:${version}` };
}
