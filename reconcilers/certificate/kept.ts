/**
 * What is kept of a certificate between looks, in its Key document: the pair that is served, the key of the one that is asked for, and
 * how far that is. It is written before each thing that cannot be seen afterwards, so that a crash makes no second order and restarts do
 * not shorten a pause. Pure.
 */
import { createHash } from 'node:crypto';
import { API_VERSION, type Document, type Manifest } from '../../resources/document.ts';
import type { KeySpec, KeyStatus } from '../../resources/generated.ts';
import type { Pair } from './pem.ts';

/** Why the last order failed, and until when there is no other. Times are RFC 3339. */
export interface OrderFailure {
  reason: string;
  message: string;
  at: string;
  retryAt: string;
  /** Generation of the Domain then: what a person changes since is tried at once. */
  domainGeneration: number;
  /** Names that were not confirmed. */
  problems: readonly { host: string; reason: string; message: string }[];
}

/** A certificate that is asked for. */
export interface Issuance {
  hosts: readonly string[];
  directory: string;
  since: string;
  /** PEM. */
  key: string;
  /** The order may have been made: it is looked for before another one is. */
  asked?: boolean;
  order?: string;
  failure?: OrderFailure;
}

export interface Kept {
  pair?: Pair;
  /** Directory of who signed it. */
  directory?: string;
  /** RFC 3339. */
  renewAt?: string;
  /** Orders in a row that failed. */
  failures: number;
  issuance?: Issuance;
}

function specOf(key: Document): KeySpec {
  return (key as unknown as Document<KeySpec, KeyStatus>).spec;
}

const NOTHING: Kept = { failures: 0 };
const read = new WeakMap<object, Kept>();

export function readKept(key: Document | undefined): Kept {
  if (!key) return NOTHING;
  const known = read.get(key.spec);
  if (known) return known;
  const kept = parse(specOf(key).stringData);
  read.set(key.spec, kept);
  return kept;
}

type State = Omit<Kept, 'pair' | 'issuance'> & { issuance?: Omit<Issuance, 'key'> };

function parse(data: Record<string, string>): Kept {
  const { issuance, ...state } = JSON.parse(data['state.json'] ?? '{"failures":0}') as State;
  const [certificate, key, next] = [data['tls.crt'], data['tls.key'], data['next.key']];
  return {
    ...state,
    ...(certificate !== undefined && key !== undefined ? { pair: { certificate, key } } : {}),
    ...(issuance && next !== undefined ? { issuance: { ...issuance, key: next } } : {}),
  };
}

/** Under the name of its Certificate, which owns it. */
export function keptManifest(certificate: string, { pair, issuance, ...state }: Kept): Manifest {
  const { key: next, ...shown } = issuance ?? { key: undefined };
  return {
    apiVersion: API_VERSION,
    kind: 'Key',
    metadata: { name: certificate },
    spec: {
      type: 'Certificate',
      stringData: {
        'state.json': JSON.stringify({ ...state, ...(issuance ? { issuance: shown } : {}) }),
        ...(pair ? { 'tls.crt': pair.certificate, 'tls.key': pair.key } : {}),
        ...(next === undefined ? {} : { 'next.key': next }),
      },
    },
  };
}

/**
 * The Key of an account: one for each directory, and for each binding at it. Nobody owns it: an authority may give a binding once only,
 * so it outlives the Domain that it was first used for.
 */
export function accountKeyName(directory: string, bindingSecret: string | undefined): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([directory, bindingSecret ?? '']))
    .digest('hex')
    .slice(0, 10);
  const host = URL.canParse(directory) ? new URL(directory).hostname.replace(/[^a-z0-9.-]/g, '') : '';
  return `${host === '' ? 'server' : host}.acme-account-${hash}`;
}

export function accountManifest(name: string, key: string): Manifest {
  return {
    apiVersion: API_VERSION,
    kind: 'Key',
    metadata: { name },
    spec: { type: 'AcmeAccount', stringData: { 'account.key': key } },
  };
}

/** PEM of an account's key. */
export function accountKey(key: Document | undefined): string | undefined {
  return key && specOf(key).stringData['account.key'];
}
