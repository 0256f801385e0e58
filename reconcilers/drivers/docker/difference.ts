/**
 * Which settings of a container differ from what is wanted. Pure; called by the App reconciler's full check, after the
 * hash label said that the container was made for these settings. Empty for what has converged, whatever defaults and
 * order the engine answers with.
 *
 * Left out: the name, which the reconciler compares itself, labels that only tell of how it was made, and what cannot be known from
 * outside: the image's own command where none is wanted, and variables that are there without being wanted (the image's own).
 */
import { isDeepStrictEqual } from 'node:util';
import type { Json } from '../../../resources/document.ts';
import {
  type ContainerDetails,
  type ContainerSpec,
  type Deviation,
  LABEL,
  type Mount,
  type PublishedPort,
} from './index.ts';
import { normalCapability } from './read.ts';

export function settingsDifference(wanted: ContainerSpec, found: ContainerDetails): Deviation[] {
  const have = found.settings;
  return [
    ...labels(wanted.labels, found.labels),
    ...image(wanted.image, found),
    ...environment(wanted.env, have.env),
    ...(wanted.command === undefined ? [] : compare('command', have.command ?? [], wanted.command)),
    ...compare('tty', have.tty, wanted.tty),
    ...networks(wanted, found),
    ...compare('dns', have.dns, wanted.dns),
    ...compare('dnsSearch', have.dnsSearch, wanted.dnsSearch),
    ...compareNamed('hosts', new Map(Object.entries(have.hosts)), new Map(Object.entries(wanted.hosts))),
    ...compareNamed('mounts', byTarget(have.mounts), byTarget(wanted.mounts)),
    ...compareNamed('ports', byPort(have.ports), byPort(wanted.ports)),
    ...compare('readOnlyRoot', have.readOnlyRoot, wanted.readOnlyRoot),
    ...memory(wanted.memoryWithSwap, have.memoryWithSwap),
    ...compare('cpuShares', have.cpuShares, wanted.cpuShares),
    ...compare('pidsLimit', have.pidsLimit, wanted.pidsLimit),
    ...compare('restartPolicy', have.restartPolicy, wanted.restartPolicy),
    ...compare(
      'dropCapabilities',
      capabilities(have.dropCapabilities),
      capabilities(wanted.dropCapabilities),
    ),
    ...compare('apparmorProfile', have.apparmorProfile ?? '', wanted.apparmorProfile ?? ''),
    ...compare('log.maxSize', have.log.maxSize, wanted.log.maxSize),
    ...compare('log.maxFiles', have.log.maxFiles, wanted.log.maxFiles),
    ...compare('stopSeconds', have.stopSeconds, wanted.stopSeconds),
    ...(found.deviations ?? []),
  ];
}

function compare(field: string, found: Json, wanted: Json): Deviation[] {
  return isDeepStrictEqual(found, wanted) ? [] : [{ field, found, wanted }];
}

/** That it is ours, and what it was made for. */
const TELLING = [LABEL.managed, LABEL.hash];

function labels(wanted: Record<string, string>, found: Record<string, string>): Deviation[] {
  return TELLING.filter((name) => wanted[name] !== undefined).flatMap((name) =>
    compare(`labels.${name}`, found[name] ?? null, wanted[name] ?? null),
  );
}

/** A name may mean another image by now, an id never does. */
function image(wanted: string, { imageId }: ContainerDetails): Deviation[] {
  return wanted.startsWith('sha256:') ? compare('image', imageId, wanted) : [];
}

/** Names only: values may be secret. */
function environment(wanted: Record<string, string>, found: Record<string, string>): Deviation[] {
  return Object.keys(wanted)
    .filter((name) => wanted[name] !== found[name])
    .sort()
    .map((name) => ({ field: `env.${name}` }));
}

function networks(wanted: ContainerSpec, found: ContainerDetails): Deviation[] {
  const { name, address } = wanted.network;
  const others = Object.keys(found.addresses).filter((network) => network !== name);
  return [
    ...compare('network.name', found.settings.network.name, name),
    ...(address === '' ? [] : compare('network.address', found.settings.network.address, address)),
    ...compare('networks', [...others, name].sort(), [name]),
  ];
}

/** An engine without swap accounting keeps only the half, so a byte of an odd number is lost: halves are compared. */
function memory(wanted = 0, found = 0): Deviation[] {
  if (Math.floor(wanted / 2) === Math.floor(found / 2)) return [];
  return [{ field: 'memoryWithSwap', found, wanted }];
}

function compareNamed(field: string, found: Map<string, string>, wanted: Map<string, string>): Deviation[] {
  const names = [...new Set([...found.keys(), ...wanted.keys()])].sort();
  return names
    .filter((name) => found.get(name) !== wanted.get(name))
    .map((name) => ({
      field: `${field}.${name}`,
      ...(found.has(name) ? { found: found.get(name) ?? '' } : {}),
      ...(wanted.has(name) ? { wanted: wanted.get(name) ?? '' } : {}),
    }));
}

function byTarget(mounts: readonly Mount[]): Map<string, string> {
  return new Map(
    mounts.map(({ target, type, source, device, readOnly }) => [
      target,
      `${type} ${source}${device === undefined ? '' : ` on ${device}`}${readOnly ? ' (read only)' : ''}`,
    ]),
  );
}

function byPort(ports: readonly PublishedPort[]): Map<string, string> {
  const all = new Map<string, string[]>();
  for (const port of ports) {
    const name = `${port.containerPort}/${port.protocol}`;
    all.set(name, [...(all.get(name) ?? []), `${port.hostAddress ?? '0.0.0.0'}:${port.hostPort}`]);
  }
  return new Map([...all].map(([name, hosts]) => [name, hosts.sort().join(', ')]));
}

function capabilities(names: readonly string[]): string[] {
  return [...new Set(names.map(normalCapability))].sort();
}
