/** What a Binding should be, from documents alone. Pure. */
import type { View } from '../../controller/engine/contract.ts';
import { SERVER_PORT, type ServerType, serverHost } from '../../resources/addons.ts';
import { bindingSecretName } from '../../resources/binding.ts';
import {
  ANNOTATION,
  API_VERSION,
  condition,
  type Document,
  type Manifest,
  type StatusBase,
} from '../../resources/document.ts';
import { effectiveApp } from '../../resources/effective.ts';
import type { AddonStatus, AppSpec, BindingSpec, BindingStatus } from '../../resources/generated.ts';
import { accountName, accountPrefix } from '../../resources/names.ts';
import { REDIS_USER } from '../../resources/redis-users.ts';
import { addonSecretName, bindingsOf } from '../addon/want.ts';
import type { DatabaseServer } from '../drivers/database/index.ts';
import { PASSWORD_KEY, secretValue } from '../secret-value.ts';

export type BindingDocument = Document<BindingSpec & Record<string, unknown>, BindingStatus & StatusBase>;

export interface Obstacle {
  reason: string;
  message: string;
}

export interface LeftAccount {
  addon: string;
  account: string;
  /** As soon as its Addon is ready. */
  server?: DatabaseServer;
}

export interface BindingWant {
  document: BindingDocument;
  type: ServerType;
  /** Name by which the App finds the server. */
  host: string;
  account: { name: string; database?: string; prefix?: string };
  secret: { name: string; password?: string; rotatedAt?: string };
  /** When a new password was last asked for. */
  rotateAt?: string;
  addon?: Document;
  /** To be made, since nobody has written it. */
  newAddon?: { manifest: Manifest; owned: boolean };
  /** Accounts that it had before, elsewhere or by another name: to be locked, with what is in them kept. */
  left: LeftAccount[];
  /** The server, as soon as it is ready. */
  server?: DatabaseServer;
  blocked?: Obstacle;
  waiting?: Obstacle;
  /** Deleted, and a server that may have its account cannot be asked just now: nothing is given up before. */
  unclosable?: Obstacle;
  cause: () => string;
  deleting: boolean;
  deleteData: boolean;
}

export function bindingWant(name: string, view: View): BindingWant | undefined {
  const document = view.get('Binding', name) as BindingDocument | undefined;
  if (!document) return undefined;
  const { type, app } = document.spec;
  const { annotations, deletionTimestamp } = document.metadata;
  const secretName = bindingSecretName(name);
  const secret = view.get('Secret', secretName);
  const password = secretValue(secret, PASSWORD_KEY);
  const rotatedAt = secret?.metadata.annotations?.[ANNOTATION.rotatedAt];
  const rotateAt = annotations?.[ANNOTATION.rotatedAt];
  const addon = view.get('Addon', document.spec.addon);
  const newAddon = addon ? undefined : addonToMake(document, view);
  const obstacles = addon
    ? obstaclesOf(document, addon, view)
    : missingAddon(document, newAddon !== undefined);
  const server = addon && serverOf(type, addon, view);
  const left = leftAccounts(document, view);
  return {
    document,
    type,
    host: serverHost(type, app),
    account: accountOf(document),
    left,
    secret: {
      name: secretName,
      ...(password === undefined ? {} : { password }),
      ...(rotatedAt === undefined ? {} : { rotatedAt }),
    },
    ...(rotateAt === undefined ? {} : { rotateAt }),
    ...(addon ? { addon } : {}),
    ...(newAddon ? { newAddon } : {}),
    ...(server ? { server } : {}),
    ...obstacles,
    ...unclosableOf(document, left, view),
    cause: () => view.causeOf(document),
    deleting: deletionTimestamp !== undefined,
    deleteData: annotations?.[ANNOTATION.deleteData] === 'true',
  };
}

function accountOf({ spec }: BindingDocument): BindingWant['account'] {
  const { type, app, options } = spec;
  if (type === 'redis') return { name: REDIS_USER };
  if (type === 'mysql' && options?.multipleDatabases) {
    const prefix = accountPrefix(app);
    return { name: prefix, prefix };
  }
  const name = accountName(app);
  return { name, database: name };
}

/** The default of its type stands for itself and stays; a redis goes with its App's Binding. Others are for people to write. */
function addonToMake({ spec, metadata }: BindingDocument, view: View): BindingWant['newAddon'] {
  if (metadata.deletionTimestamp) return undefined;
  const { type, addon: name, app } = spec;
  if (type !== 'redis' && name !== type) return undefined;
  const memory = type === 'redis' ? redisMemory(app, view) : undefined;
  const manifest = {
    apiVersion: API_VERSION,
    kind: 'Addon',
    metadata: { name },
    spec: { type, ...(memory === undefined ? {} : { memory }) },
  };
  return { manifest, owned: type === 'redis' };
}

const GIBIBYTE = 2 ** 30;

/** A large App gets a larger redis, one without a limit one without. */
function redisMemory(name: string, view: View): string | number | undefined {
  const app = view.get('App', name);
  if (!app) return undefined;
  const { memoryWithSwap, debug } = effectiveApp(app.spec as unknown as AppSpec, name);
  if (memoryWithSwap === undefined) return debug ? undefined : -1;
  return memoryWithSwap > 2 * GIBIBYTE ? '600Mi' : undefined;
}

function missingAddon({ spec }: BindingDocument, isMade: boolean): Pick<BindingWant, 'waiting'> {
  if (isMade) return {};
  const message = `waits for addon/${spec.addon}, which does not exist: apply it`;
  return { waiting: { reason: 'ReferenceNotFound', message } };
}

function obstaclesOf(
  document: BindingDocument,
  addon: Document,
  view: View,
): Pick<BindingWant, 'blocked' | 'waiting'> {
  const { type, addon: name } = document.spec;
  if (addon.spec['type'] !== type) {
    const message = `addon/${name} is of type ${String(addon.spec['type'])}, and this asks for ${type}: name another Addon`;
    return { blocked: { reason: 'AddonNotAvailable', message } };
  }
  const [first] = bindingsOf(name, view).filter(({ metadata }) => !metadata.deletionTimestamp);
  if (type === 'redis' && first && first.metadata.uid !== document.metadata.uid) {
    const message = `addon/${name} belongs to app/${String(first.spec['app'])}: a redis serves one App`;
    return { blocked: { reason: 'AddonNotAvailable', message } };
  }
  if (addon.metadata.deletionTimestamp)
    return { waiting: { reason: 'AddonNotReady', message: `addon/${name} is being deleted` } };
  const ready = condition(addon, 'Ready');
  if (ready?.status === 'True') return {};
  const why = ready?.message ?? 'it was not looked at yet';
  return { waiting: { reason: 'AddonNotReady', message: `addon/${name}: ${why}` } };
}

/** An App may name another Addon, or ask for another sort of account: what it had is remembered in status until it is locked. */
function leftAccounts(document: BindingDocument, view: View): LeftAccount[] {
  const { spec, status, metadata } = document;
  if (spec.type === 'redis') return [];
  const { addon, account, previous = [] } = status ?? {};
  const last = addon === undefined || !account?.username ? [] : [{ addon, account: account.username }];
  const { name } = accountOf(document);
  const found = new Map<string, LeftAccount>();
  for (const one of [...previous, ...last]) {
    if (one.addon === spec.addon && one.account === name) continue;
    const its = view.get('Addon', one.addon);
    const isReady = its !== undefined && condition(its, 'Ready')?.status === 'True';
    // None may stay open behind a Binding that goes, unless its server goes, too.
    const mustAnswer = metadata.deletionTimestamp !== undefined && !its?.metadata.deletionTimestamp;
    const server = its && (isReady || mustAnswer) ? serverOf(spec.type, its, view) : undefined;
    found.set(`${one.addon} ${one.account}`, { ...one, ...(server ? { server } : {}) });
  }
  return [...found.values()];
}

function unclosableOf(
  { spec, metadata }: BindingDocument,
  left: readonly LeftAccount[],
  view: View,
): Pick<BindingWant, 'unclosable'> {
  if (!metadata.deletionTimestamp || spec.type === 'redis') return {};
  const names = [spec.addon, ...left.map((one) => one.addon)];
  const found = names.find((name) => {
    const addon = view.get('Addon', name);
    const { address } = (addon?.status ?? {}) as AddonStatus;
    const isThere = addon?.spec['type'] === spec.type && !addon.metadata.deletionTimestamp;
    // Without an address there never was a server.
    return isThere && address !== undefined && !serverOf(spec.type, addon, view);
  });
  if (found === undefined) return {};
  const message = `addon/${found} has no password just now, so that its account cannot be closed yet`;
  return { unclosable: { reason: 'AddonNotReady', message } };
}

function serverOf(type: ServerType, addon: Document, view: View): DatabaseServer | undefined {
  const { name } = addon.metadata;
  const { address } = (addon.status ?? {}) as AddonStatus;
  const password = secretValue(view.get('Secret', addonSecretName(name)), PASSWORD_KEY);
  if (address === undefined || password === undefined || addon.spec['type'] !== type) return undefined;
  return { type, name: `addon/${name}`, address, port: SERVER_PORT[type], password };
}
