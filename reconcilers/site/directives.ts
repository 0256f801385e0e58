/**
 * nginx's language, written and read through the package nginx-conf. Writing gives every file the mark of Holdfast and a
 * checksum, by which an edit by hand is told from a change of ours; reading turns a file into directives that can be
 * compared one by one. Pure. The package sorts directives of one name together inside their block, which nginx does not mind
 * for any that we use.
 */
import { createHash } from 'node:crypto';
import { NginxConfFile } from 'nginx-conf';

/** Name, value as nginx reads it (see `quoted`), and what is in its block, for those that have one. */
export type Directive = readonly [name: string, value: string, block?: readonly Directive[]];

type Item = NginxConfFile['nginx'];

/** Nothing of ours is longer, and the package is slow with long texts. */
const READ_AT_MOST = 128 * 1024;

/** Quoted where nginx needs it. Variables stay variables. */
export function quoted(value: string): string {
  if (/^[^\s;{}"'\\#]+$/.test(value)) return value;
  return `"${value.replace(/[\\"]/g, '\\$&')}"`;
}

/** The text of a file. `about`: what it is for, such as "site/wiki". */
export function writeConfig(about: string, directives: readonly Directive[]): string {
  const conf = parsed('');
  for (const directive of directives) add(conf.nginx, directive);
  const body = conf.toString();
  const [mark, sum] = header(about, body);
  return `${mark}\n${sum}\n${body}`;
}

function header(about: string, body: string): [string, string] {
  const mark = `# Written by Holdfast for ${about}. Changes by hand are put back.`;
  return [mark, `# Checksum ${createHash('sha256').update(`${mark}\n${body}`).digest('hex').slice(0, 16)}`];
}

/** Nobody changed it since Holdfast wrote it. */
export function isIntact(text: string): boolean {
  const [mark, sum, ...rest] = text.split('\n');
  const about = /^# Written by Holdfast for (.+)\. Changes by hand are put back\.$/.exec(mark ?? '')?.[1];
  return about !== undefined && header(about, rest.join('\n'))[1] === sum;
}

function add(into: Item, [name, value, block]: Directive): void {
  into._add(name, value, block ? [] : null);
  const item = into[name]?.at(-1);
  if (!item) throw new Error(`nginx-conf did not add ${name}`);
  for (const directive of block ?? []) add(item, directive);
}

function parsed(text: string): NginxConfFile {
  let result: NginxConfFile | undefined;
  let failure: unknown;
  // The callback is called before this returns.
  NginxConfFile.createFromSource(text, (error, conf) => {
    failure = error;
    result = conf;
  });
  if (!result) throw failure ?? new Error('nginx-conf gave no answer');
  return result;
}

/**
 * Dotted paths (`server.location /.proxy_pass`) to their values, in order. undefined for what is no configuration at all, as after an
 * edit by hand that went wrong.
 */
export function readConfig(text: string): Map<string, string[]> | undefined {
  if (text.length > READ_AT_MOST) return undefined;
  const found = new Map<string, string[]>();
  try {
    collect(parsed(text).nginx, '', found);
  } catch {
    return undefined;
  }
  return found;
}

function collect(item: Item, prefix: string, found: Map<string, string[]>): void {
  for (const [name, entries] of Object.entries(item)) {
    if (!Array.isArray(entries)) continue;
    for (const entry of entries) {
      const value = String(entry._value).trim();
      const isBlock = Object.values(entry).some(Array.isArray);
      const path = `${prefix}${name}${isBlock && value !== '' ? ` ${value}` : ''}`;
      if (isBlock) collect(entry, `${path}.`, found);
      else found.set(path, [...(found.get(path) ?? []), value]);
    }
  }
}

export interface Difference {
  path: string;
  /** What is there and should not be, and the other way round. null for none. */
  found: string | null;
  wanted: string | null;
}

/** Directive by directive; empty when they say the same, or when one of them cannot be read. */
export function differences(found: string, wanted: string): Difference[] {
  const [have, want] = [readConfig(found), readConfig(wanted)];
  if (!have || !want) return [];
  const result: Difference[] = [];
  for (const path of new Set([...want.keys(), ...have.keys()])) {
    const [is, should] = [have.get(path) ?? [], want.get(path) ?? []];
    const [extra, missing] = [without(is, should), without(should, is)];
    if (extra.length === 0 && missing.length === 0) continue;
    result.push({ path, found: extra.join(', ') || null, wanted: missing.join(', ') || null });
  }
  return result;
}

function without(values: readonly string[], taken: readonly string[]): string[] {
  const left = [...taken];
  return values.filter((value) => {
    const index = left.indexOf(value);
    if (index >= 0) left.splice(index, 1);
    return index < 0;
  });
}
