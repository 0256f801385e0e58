/**
 * Applies examples/hello.yaml and waits until it is served, for `up --examples`. A file that was applied before and did not
 * change is not applied again: what a person has made of the App since, and that it was deleted, stays.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { condition, type Document, type Manifest } from '../../resources/document.ts';
import { type Clock, delay } from '../clock.ts';
import type { Installation } from './installation.ts';
import type { LocalApi } from './local-api.ts';

export const EXAMPLE = 'hello';
const MANAGER = 'holdfast-examples';

export async function applyExample(
  api: LocalApi,
  root: string,
  installation: Installation,
): Promise<{ outcome: 'created' | 'configured' | 'unchanged'; examples: Record<string, string> }> {
  const file = `${EXAMPLE}.yaml`;
  const text = await readFile(path.join(root, 'examples', file), 'utf8');
  const hash = createHash('sha256').update(text).digest('hex');
  if (installation.examples[file] === hash) return { outcome: 'unchanged', examples: installation.examples };
  let outcome: 'created' | 'configured' | 'unchanged' = 'unchanged';
  for (const document of parseAllDocuments(text)) {
    const one = await api.apply(document.toJS() as Manifest, MANAGER);
    if (one !== 'unchanged') outcome = one;
  }
  return { outcome, examples: { ...installation.examples, [file]: hash } };
}

interface Progress {
  ready: boolean;
  words: string;
}

/** How far it is, in the words of its own conditions. Pure. */
export function progressOf(document: Document): Progress {
  const ready = condition(document, 'Ready');
  const current = document.status?.observedGeneration === document.metadata.generation;
  if (current && ready?.status === 'True') return { ready: true, words: 'Ready' };
  const { operation } = document.status ?? {};
  const percent = operation?.percent === undefined ? '' : ` (${operation.percent} %)`;
  const words =
    operation?.message ??
    (ready === undefined ? 'waiting for the controller' : `${ready.reason}: ${ready.message}`);
  return { ready: false, words: `${words}${percent}` };
}

/** Tells each change once. Rejects with the App's own words when time is over or it says that it goes no further. */
export async function waitUntilReady(
  api: LocalApi,
  clock: Clock,
  say: (line: string) => void,
  seconds: number,
): Promise<Document | undefined> {
  const deadline = clock.monotonic() + seconds * 1000;
  let last = '';
  for (;;) {
    const document = await api.get('App', EXAMPLE);
    if (document === undefined) return undefined;
    const { ready, words } = progressOf(document);
    if (ready) return document;
    if (words !== last) say(`${EXAMPLE}: ${words}`);
    last = words;
    if (condition(document, 'Stalled')?.status === 'True' || clock.monotonic() > deadline) {
      throw new Error(
        `${EXAMPLE} is not Ready: ${words}\nholdfast describe app/${EXAMPLE} and holdfast logs app/${EXAMPLE} tell more.`,
      );
    }
    await delay(clock, 300);
  }
}

export interface Address {
  host: string;
  port: number;
  /** File of the authority's certificate. */
  authority: string;
}

/** As curl would: by the certificate of our own authority, on loopback. Not the page itself, which counts its visits. */
function ask({ host, port }: Address, ca: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { host: port === 443 ? host : `${host}:${port}` };
    const sent = request(
      { host: '127.0.0.1', port, servername: host, ca, headers, path: '/healthz', timeout: 5000 },
      (response) => {
        response.resume();
        if (response.statusCode === 200) resolve();
        else reject(new Error(`it answers with ${response.statusCode}`));
      },
    );
    sent.on('timeout', () => sent.destroy(new Error('it does not answer')));
    sent.on('error', reject);
    sent.end();
  });
}

/** Resolves when the printed curl line would work. */
export async function waitUntilServed(address: Address, clock: Clock, seconds: number): Promise<void> {
  const deadline = clock.monotonic() + seconds * 1000;
  for (;;) {
    try {
      await ask(address, await readFile(address.authority, 'utf8'));
      return;
    } catch (error) {
      if (clock.monotonic() > deadline) {
        const why = error instanceof Error ? error.message : String(error);
        throw new Error(`https://${address.host}:${address.port}/ is not served: ${why}`);
      }
    }
    await delay(clock, 300);
  }
}

export function urlOf({ host, port }: Address): string {
  return `https://${host}${port === 443 ? '' : `:${port}`}/`;
}

/** With --resolve, for not every resolver knows that names under localhost are this machine. */
export function curlLine(address: Address): string {
  const { host, port, authority } = address;
  const file = /^[\w@%+=:,./-]+$/.test(authority) ? authority : `'${authority.replaceAll("'", `'\\''`)}'`;
  return `curl --cacert ${file} --resolve ${host}:${port}:127.0.0.1 ${urlOf(address)}`;
}
