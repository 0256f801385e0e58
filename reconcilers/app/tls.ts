/**
 * The addon tls: the certificate of an App's main name, as files in its container. It is the one that nginx serves, so that whoever comes
 * by another port sees the same. Each certificate has a folder of its own, named after what is in it: a renewed one is another folder, so
 * the App gets another container, and goes back to the one before if it does not come up. Part of want.ts, observe.ts and diff.ts.
 */
import { join } from 'node:path';
import type { View } from '../../controller/engine/contract.ts';
import { covers } from '../../resources/certificate.ts';
import { condition } from '../../resources/document.ts';
import { domainFacts } from '../../resources/domain.ts';
import type { EffectiveApp } from '../../resources/effective.ts';
import { digest } from '../container/description.ts';
import type { SeenContainer } from '../container/seen.ts';
import { certificateName } from '../drivers/authority/index.ts';
import { LABEL } from '../drivers/docker/index.ts';
import { certificateIndex } from '../site/servings.ts';
import type { Reading } from '../world.ts';
import type { AppWant, Obstacle } from './want.ts';

/** Where packages of the older platform look for them. */
export const CERTIFICATE_PATH = '/etc/certs';
export const CERTIFICATE_FILE = 'tls_cert.pem';
export const KEY_FILE = 'tls_key.pem';

export interface TlsWant {
  /** Name under which nginx has the certificate; undefined as long as there is none that is good for the name. */
  file?: string;
  /** Whose it is, for reasons: "certificate/wiki.example.com". */
  from: string;
  waiting?: Obstacle;
}

export interface TlsHave {
  /** Folder of all certificates of this App on the host, where it is there. */
  root?: string;
  /** Folder of the one that is wanted now. */
  folder?: string;
  /** Both files are in it as they should be. */
  isWritten: boolean;
  /** Folders of earlier ones, which no container reads any more. */
  left: readonly string[];
}

export function tlsWant(
  app: EffectiveApp,
  { host, hosts }: { host: string | undefined; hosts: readonly string[] },
  view: View,
): TlsWant | undefined {
  if (!app.addons.includes('tls') || host === undefined) return undefined;
  const index = view.derived('certificates by host', ['Certificate#status', 'Domain'], certificateIndex);
  const found = index.find(host);
  if (found) return { file: found.file, from: `certificate/${found.name}` };
  if ((domainFacts(view, app.domain)?.certificate ?? 'internal') === 'internal')
    return { file: certificateName(hosts), from: "the platform's own authority" };
  return { from: 'a certificate of the Domain', waiting: waitingFor(host, view) };
}

function waitingFor(host: string, view: View): Obstacle {
  const document = view
    .list('Certificate')
    .find(({ spec }) => ((spec['hosts'] ?? []) as string[]).some((name) => covers(name, host)));
  const why = document && condition(document, 'Ready')?.message;
  const which = document ? `certificate/${document.metadata.name}` : `a certificate for ${host}`;
  return notReady(`waits for ${which}: ${why ?? 'it is about to be asked for'}`);
}

function notReady(message: string): Obstacle {
  return { reason: 'CertificateNotReady', message };
}

/** Why there is no certificate to give, or undefined. */
export function certificateMissing(
  { tls, host }: AppWant,
  { tls: { folder } }: { tls: TlsHave },
): Obstacle | undefined {
  if (!tls) return undefined;
  if (tls.waiting) return tls.waiting;
  if (folder !== undefined) return undefined;
  return notReady(`waits for a certificate for ${host ?? 'its name'} from ${tls.from}: nginx has none yet`);
}

/** What a folder is named after. */
export function certificateId({ certificate }: { certificate: string }): string {
  return digest(certificate, 24);
}

/** What is wanted of it, and what is there of it. */
export async function findCertificate(
  { tls, document, deleting }: AppWant,
  { nginx, host, settings }: Reading,
): Promise<Omit<TlsHave, 'left'>> {
  const root = join(settings.stateFolder, 'tls', document.metadata.name);
  const exists = (await host.folderExists(root)) ? { root } : {};
  const pair = tls?.file === undefined || deleting ? undefined : await nginx.certificate(tls.file);
  if (!pair) return { isWritten: false, ...exists };
  const folder = join(root, certificateId(pair));
  const isWritten =
    (await host.readFile(join(folder, CERTIFICATE_FILE))) === pair.certificate &&
    (await host.readFile(join(folder, KEY_FILE))) === pair.key;
  return { folder, isWritten, ...exists };
}

export async function leftCertificates(
  uid: string,
  { root, folder }: Omit<TlsHave, 'left'>,
  containers: readonly SeenContainer[],
  { host, docker }: Reading,
): Promise<string[]> {
  if (root === undefined || (await runsBeside(uid, containers, docker))) return [];
  const read = new Set([folder, ...containers.map(({ settings }) => folderOf(settings))]);
  return (await host.foldersIn(root)).map((name) => join(root, name)).filter((one) => !read.has(one));
}

/** A task reads what the container read that it was started beside, which may be gone. */
async function runsBeside(
  uid: string,
  containers: readonly SeenContainer[],
  docker: Reading['docker'],
): Promise<boolean> {
  const known = new Set(containers.map(({ hash }) => hash));
  return (await docker.containers()).some(
    ({ labels, state }) =>
      labels[LABEL.app] === uid && state !== 'exited' && !known.has(labels[LABEL.hash] ?? ''),
  );
}

function folderOf(settings: string | undefined): string | undefined {
  try {
    const folder = (JSON.parse(settings ?? '{}') as Record<string, unknown>)[`reads.${CERTIFICATE_PATH}`];
    return typeof folder === 'string' ? folder : undefined;
  } catch {
    return undefined;
  }
}
