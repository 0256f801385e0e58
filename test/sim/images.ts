/** The images of the simulated registry, each with one habit that Apps in the world have. */
import type { FakeImage } from '../../reconcilers/drivers/docker/fake-container.ts';
import type { FakeRemoteImage } from '../../reconcilers/drivers/docker/fake-registry.ts';
import { PRIVATE_AUTH } from './secrets.ts';

interface SimulatedImage {
  remote?: FakeRemoteImage;
  /** It is on the machine from the beginning. */
  local?: FakeImage;
  /** What its process answers to every question. Default 200. */
  status?: number;
  /** Its process ends by itself, so that no App of it ever serves. */
  crashes?: boolean;
}

/** Every image listens here. */
export const LISTENS_ON = 8080;

const crash: FakeImage = {
  program: () => ({
    lines: [{ stream: 'stderr', text: 'cannot open the database', after: 100 }],
    exit: { code: 3, after: 1_000 },
  }),
};

const broken: FakeImage = {
  program: () => ({
    lines: [{ stream: 'stderr', text: 'cannot read its settings', after: 0 }],
    exit: { code: 1, after: 300 },
  }),
};

export const IMAGES: Readonly<Record<string, SimulatedImage>> = {
  'local.test/web:1': { local: {} },
  'local.test/web:2': { local: {} },
  'reg.test/web:3': { remote: { image: {}, milliseconds: 400 } },
  'reg.test/data:1': { remote: { image: { volumes: ['/var/lib/data'] } } },
  'reg.test/big:1': { remote: { image: {}, milliseconds: 20_000 } },
  'reg.test/private:1': { remote: { image: {}, auth: PRIVATE_AUTH } },
  'reg.test/sick:1': { remote: { image: {} }, status: 500 },
  // It answers between two ends.
  'reg.test/crash:1': { remote: { image: crash }, crashes: true },
  // It ends before it has answered anything.
  'reg.test/broken:1': { remote: { image: broken }, crashes: true, status: 503 },
};

/** Servers of databases. What serves in them is in the fake of databases. */
export const DATABASE_IMAGES: Readonly<Record<string, SimulatedImage>> = {
  'holdfast.local/postgresql:15': { local: { volumes: ['/var/lib/postgresql/data'] } },
  'holdfast.local/postgresql:17': { local: { volumes: ['/var/lib/postgresql/data'] } },
  'postgres:16': { remote: { image: { volumes: ['/var/lib/postgresql/data'] }, milliseconds: 3_000 } },
  'holdfast.local/mariadb:10.11': { local: { volumes: ['/var/lib/mysql'] } },
  'holdfast.local/mariadb:11.8': { local: { volumes: ['/var/lib/mysql'] } },
  'holdfast.local/redis:7': { local: { volumes: ['/data'] } },
};

/** In no registry. */
export const NOWHERE = 'reg.test/nowhere:1';
