/**
 * The neutral description of a container of an App or an Addon, and the hash by which a container that is there is known to fit. Pure.
 *
 * The hash is taken over what is wanted in canonical form with defaults left out, so that a newer Holdfast that knows one more
 * default gives the same hash. Settings are the facts of the older platform's containers where it had them (read-only root,
 * writable /run and /tmp, half the limit as memory and all of it with swap, cpu shares, search domain).
 */
import { hash } from 'node:crypto';
import type { Json } from '../../resources/document.ts';
import { equal } from '../../resources/json.ts';
import { memoOf } from '../../resources/memo.ts';
import { type ContainerSpec, LABEL, type Mount } from '../drivers/docker/index.ts';

/** Label with the canonical settings themselves, so that a difference can be named later. Values of env are digests. */
export const SETTINGS_LABEL = 'dev.holdfast.settings';

const STOP_SECONDS = 10;
const DEFAULTS: Record<string, Json> = {
  tty: true,
  readOnlyRoot: true,
  cpuShares: 512,
  pidsLimit: 4096,
  dnsSearch: ['.'],
  dropCapabilities: ['NET_RAW'],
  log: { maxSize: '10m', maxFiles: 3 },
  stopSeconds: STOP_SECONDS,
};

export interface ContainerInputs {
  owner: { kind: 'App' | 'Addon'; name: string; uid: string; generation: number };
  imageId: string;
  command?: readonly string[];
  env: Readonly<Record<string, string>>;
  network: string;
  address: string;
  dns: readonly string[];
  /** Folders that are kept: where in the container, and which folder on the host. */
  data: readonly { path: string; folder: string }[];
  /** Folders of the host that it reads, such as those with its secrets. */
  reads?: readonly { path: string; folder: string }[];
  ports: readonly { containerPort: number; hostPort: number }[];
  /** Host name → address, in the container's own table of hosts. */
  hosts?: Readonly<Record<string, string>>;
  readOnlyRoot: boolean;
  memoryWithSwap?: number;
  pidsLimit: number;
  apparmorProfile?: string;
  /** A terminal. Default true, as the older platform's apps had it. */
  tty?: boolean;
  /** Seconds between SIGTERM and SIGKILL. Default 10. */
  stopSeconds?: number;
  /** Who makes it. Labels only: another version or a state folder with a new name is no reason for another container. */
  maker?: { stateFolder: string; version: string };
}

/**
 * What Docker does with one that has ended. Apps come back by themselves, whoever else is there. Databases are started by the controller,
 * one after another: Docker would start all at once. Not in the hash: it is changed without another container.
 */
export function restartPolicyOf(kind: string | undefined): ContainerSpec['restartPolicy'] {
  return kind === 'Addon' ? 'no' : 'always';
}

export function containerName(name: string, kind: ContainerInputs['owner']['kind'] = 'App'): string {
  return `holdfast-${kind.toLowerCase()}-${name}`;
}

/** /data/files → data-files. Two paths never give the same name within one App: the path is checked before. */
export function pathSlug(path: string): string {
  const plain = path
    .replace(/^\/+/, '')
    .replace(/[^a-zA-Z0-9]+/g, '-')
    .toLowerCase();
  return plain === '' ? 'root' : plain;
}

/** By spec of a document, which is frozen. */
const lately = new WeakMap<object, ContainerInputs>();

/**
 * Looks come to the same inputs again and again: where they are equal it answers those of the look before, so that what follows from them is
 * worked out once.
 */
export function sameInputs(spec: object, inputs: ContainerInputs): ContainerInputs {
  const before = lately.get(spec);
  if (before && equal(before, inputs)) return before;
  lately.set(spec, inputs);
  return inputs;
}

/** Flat, sorted, without defaults; env values as digests. What the hash is taken over. The answer is shared: not to be changed. */
export const canonicalSettings: (inputs: ContainerInputs) => Record<string, Json> = memoOf(makeSettings);

function makeSettings(inputs: ContainerInputs): Record<string, Json> {
  const settings: Record<string, Json> = {
    image: inputs.imageId,
    network: inputs.network,
    address: inputs.address,
    readOnlyRoot: inputs.readOnlyRoot,
    pidsLimit: inputs.pidsLimit,
    tty: inputs.tty ?? true,
    stopSeconds: inputs.stopSeconds ?? STOP_SECONDS,
  };
  if (inputs.command) settings['command'] = [...inputs.command];
  if (inputs.dns.length > 0) settings['dns'] = [...inputs.dns];
  if (inputs.memoryWithSwap !== undefined) settings['memory'] = inputs.memoryWithSwap;
  if (inputs.apparmorProfile) settings['apparmorProfile'] = inputs.apparmorProfile;
  for (const { path, folder } of inputs.data) settings[`mounts.${path}`] = folder;
  for (const { path, folder } of inputs.reads ?? []) settings[`reads.${path}`] = folder;
  for (const { containerPort, hostPort } of inputs.ports) settings[`ports.${hostPort}`] = containerPort;
  for (const [name, host] of Object.entries(inputs.hosts ?? {})) settings[`hosts.${name}`] = host;
  for (const [name, value] of Object.entries(inputs.env)) settings[`env.${name}`] = digest(value, 12);
  const different = Object.entries(settings).filter(([field, value]) => !isDefault(field, value));
  return Object.fromEntries(different.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isDefault(field: string, value: Json): boolean {
  return field in DEFAULTS && JSON.stringify(DEFAULTS[field]) === JSON.stringify(value);
}

export const settingsHash: (settings: Record<string, Json>) => string = memoOf((settings) =>
  digest(JSON.stringify(settings), 24),
);

export function digest(text: string, length: number): string {
  return hash('sha256', text, 'hex').slice(0, length);
}

/** The answer is shared: not to be changed. */
export const containerSpec: (inputs: ContainerInputs) => ContainerSpec & { hash: string } = memoOf(makeSpec);

function makeSpec(inputs: ContainerInputs): ContainerSpec & { hash: string } {
  const { owner } = inputs;
  const settings = canonicalSettings(inputs);
  const hash = settingsHash(settings);
  const name = containerName(owner.name, owner.kind);
  const volume = (part: string) => `${name}-${hash.slice(0, 8)}-${part}`;
  const scratch = ['/run', '/tmp'].map(
    (target): Mount => ({ type: 'volume', source: volume(pathSlug(target)), target }),
  );
  const kept = inputs.data.map(
    ({ path, folder }): Mount => ({
      type: 'volume',
      source: volume(`kept-${pathSlug(path)}`),
      target: path,
      device: folder,
    }),
  );
  const reads = (inputs.reads ?? []).map(
    ({ path, folder }): Mount => ({ type: 'bind', source: folder, target: path, readOnly: true }),
  );
  return {
    hash,
    name,
    image: inputs.imageId,
    ...(inputs.command ? { command: [...inputs.command] } : {}),
    env: { ...inputs.env },
    labels: {
      [LABEL.managed]: 'true',
      [LABEL.kind]: owner.kind,
      [LABEL.name]: owner.name,
      [LABEL.uid]: owner.uid,
      [LABEL.hash]: hash,
      [LABEL.generation]: String(owner.generation),
      [SETTINGS_LABEL]: JSON.stringify(settings),
      ...(inputs.maker
        ? { [LABEL.state]: inputs.maker.stateFolder, [LABEL.version]: inputs.maker.version }
        : {}),
    },
    tty: inputs.tty ?? true,
    network: { name: inputs.network, address: inputs.address },
    dns: [...inputs.dns],
    dnsSearch: ['.'],
    hosts: { ...inputs.hosts },
    mounts: [...scratch, ...kept, ...reads],
    ports: inputs.ports.map(({ containerPort, hostPort }) => ({ containerPort, hostPort, protocol: 'tcp' })),
    readOnlyRoot: inputs.readOnlyRoot,
    ...(inputs.memoryWithSwap === undefined ? {} : { memoryWithSwap: inputs.memoryWithSwap }),
    cpuShares: 512,
    pidsLimit: inputs.pidsLimit,
    restartPolicy: restartPolicyOf(owner.kind),
    dropCapabilities: ['NET_RAW'],
    ...(inputs.apparmorProfile ? { apparmorProfile: inputs.apparmorProfile } : {}),
    log: { maxSize: '10m', maxFiles: 3 },
    stopSeconds: inputs.stopSeconds ?? STOP_SECONDS,
  };
}

export interface SettingsDifference {
  field: string;
  found?: Json;
  wanted?: Json;
}

/** What differs between the settings that a container was made with and those wanted now. Never shows env values. */
export function settingsDifferences(
  foundLabel: string | undefined,
  wanted: Record<string, Json>,
): SettingsDifference[] {
  const found = parseSettings(foundLabel);
  if (!found) return [{ field: 'container.labels', found: foundLabel === undefined ? null : 'unreadable' }];
  const fields = [...new Set([...Object.keys(found), ...Object.keys(wanted)])].sort();
  return fields
    .filter((field) => JSON.stringify(found[field]) !== JSON.stringify(wanted[field]))
    .map((field) => {
      if (field.startsWith('env.')) return { field };
      return {
        field,
        ...(found[field] === undefined ? {} : { found: found[field] }),
        ...(wanted[field] === undefined ? {} : { wanted: wanted[field] }),
      };
    });
}

function parseSettings(label: string | undefined): Record<string, Json> | undefined {
  try {
    const value: unknown = JSON.parse(label ?? '');
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, Json>)
      : undefined;
  } catch {
    return undefined;
  }
}
