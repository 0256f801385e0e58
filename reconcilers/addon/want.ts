/** What an Addon should be, from documents alone: its server, its accounts, the administrator's password. Pure. */
import type { View } from '../../controller/engine/contract.ts';
import { isServerType, SERVER_PORT, type ServerType } from '../../resources/addons.ts';
import { bindingSecretName } from '../../resources/binding.ts';
import { ANNOTATION, condition, type Document, type StatusBase } from '../../resources/document.ts';
import type { AddonSpec, AddonStatus, PlatformStatus } from '../../resources/generated.ts';
import { boundedName } from '../../resources/names.ts';
import { redisUsersFile } from '../../resources/redis-users.ts';
import type { RegistryAuth } from '../drivers/docker/index.ts';
import { PASSWORD_KEY, secretValue } from '../secret-value.ts';

export type AddonDocument = Document<AddonSpec & Record<string, unknown>, AddonStatus & StatusBase>;

export interface Obstacle {
  reason: string;
  message: string;
}

export interface AddonWant {
  document: AddonDocument;
  type: ServerType;
  port: number;
  network?: { name: string; subnet: string; gateway: string };
  bindings: readonly Document[];
  /** Of the administrator; undefined until it was made. */
  password?: string;
  /** redis: the file of users. undefined as long as there is no password. */
  usersFile?: string;
  auth?: RegistryAuth;
  waiting?: Obstacle;
  cause: () => string;
  deleting: boolean;
  deleteData: boolean;
}

/** The Secret that holds the administrator's password. */
export function addonSecretName(addon: string): string {
  return boundedName(`addon-${addon}`);
}

/** Bindings by the Addon that they name. */
export function bindingsOf(addon: string, view: View): readonly Document[] {
  const index = view.derived('bindings by addon', ['Binding'], (all) => {
    const found = new Map<string, Document[]>();
    for (const binding of all.list('Binding')) {
      const name = String(binding.spec['addon']);
      found.set(name, [...(found.get(name) ?? []), binding]);
    }
    return found;
  });
  return index.get(addon) ?? [];
}

export function platformNetwork(view: View): { network?: AddonWant['network']; waiting?: Obstacle } {
  const platform = view.get('Platform', 'platform');
  const network = (platform?.status as PlatformStatus | undefined)?.network;
  if (network?.name !== undefined && network.subnet !== undefined && network.gateway !== undefined)
    return { network: { name: network.name, subnet: network.subnet, gateway: network.gateway } };
  const why = platform && condition(platform, 'Ready');
  const message = `waits for the network of platform/platform${why ? `: ${why.message}` : ''}`;
  return { waiting: { reason: 'PlatformNotReady', message } };
}

export function addonWant(name: string, view: View): AddonWant | undefined {
  const document = view.get('Addon', name) as AddonDocument | undefined;
  if (!document || !isServerType(document.spec.type)) return undefined;
  const { type, imagePullSecret } = document.spec;
  const bindings = bindingsOf(name, view);
  const password = secretValue(view.get('Secret', addonSecretName(name)), PASSWORD_KEY);
  const { network, waiting } = platformNetwork(view);
  const { auth, missing } = registryAuth(imagePullSecret, view);
  const wait = missing ?? waiting;
  return {
    document,
    type,
    port: SERVER_PORT[type],
    bindings,
    ...(network ? { network } : {}),
    ...(password === undefined ? {} : { password }),
    ...(type === 'redis' && password !== undefined
      ? { usersFile: redisUsersFile(password, passwordOfApp(bindings, view)) }
      : {}),
    ...(auth ? { auth } : {}),
    ...(wait ? { waiting: wait } : {}),
    cause: () => view.causeOf(document),
    deleting: document.metadata.deletionTimestamp !== undefined,
    deleteData: document.metadata.annotations?.[ANNOTATION.deleteData] === 'true',
  };
}

/** The one App of a redis. */
function passwordOfApp(bindings: readonly Document[], view: View): string | undefined {
  const [binding] = bindings.filter(({ metadata }) => !metadata.deletionTimestamp);
  return binding && secretValue(view.get('Secret', bindingSecretName(binding.metadata.name)), PASSWORD_KEY);
}

function registryAuth(name: string | undefined, view: View): { auth?: RegistryAuth; missing?: Obstacle } {
  if (name === undefined) return {};
  const secret = view.get('Secret', name);
  const [username, password, server] = ['username', 'password', 'server'].map((key) =>
    secretValue(secret, key),
  );
  if (username === undefined || password === undefined) {
    const message = `waits for username and password of secret/${name}; apply that Secret`;
    return { missing: { reason: 'ReferenceNotFound', message } };
  }
  return { auth: { username, password, ...(server === undefined ? {} : { server }) } };
}
