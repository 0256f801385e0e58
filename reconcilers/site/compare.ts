/**
 * Which files there should be, given what is there: a Site that is suspended keeps what it has, and one that nginx refused keeps
 * its last good file. Called by diff and status. Pure; a comparison is made once for each observation.
 */
import { certificateName } from '../drivers/authority/index.ts';
import { type Edge, sharedFiles, sitePath, siteText } from './config.ts';
import { isIntact } from './directives.ts';
import type { Have } from './observe.ts';
import { type Refusal, readRefusal, refusalPath } from './refusal.ts';
import { needsOwn, servingsOf } from './servings.ts';
import type { SiteSpec, Want, WantedSite } from './want.ts';

export interface Comparison {
  /** The set as it should be. */
  expected: ReadonlyMap<string, string>;
  /** Paths that differ, are missing or too many. */
  changed: readonly string[];
  /** By Site, of those whose present text nginx has refused. */
  refusals: ReadonlyMap<string, Refusal>;
  /** Names of certificates that some file of the set names. */
  certificates: ReadonlySet<string>;
}

const made = new WeakMap<Have, { want: Want; comparison: Comparison }>();

export function compare(want: Want, have: Have): Comparison {
  const known = made.get(have);
  if (known?.want === want) return known.comparison;
  const comparison = compareAnew(want, have);
  made.set(have, { want, comparison });
  return comparison;
}

function compareAnew(want: Want, have: Have): Comparison {
  const found = have.nginx.files;
  const expected = sharedFiles(have.edge);
  const refusals = new Map<string, Refusal>();
  for (const site of want.sites) {
    if (site.suspended) keep(expected, found, sitePath(site.name), refusalPath(site.name));
    else if (site.hosts.length > 0) expectSite(site, have, expected, refusals);
  }
  const paths = new Set([...expected.keys(), ...found.keys()]);
  const changed = [...paths].filter((path) => expected.get(path) !== found.get(path)).sort();
  return { expected, changed, refusals, certificates: certificatesIn(expected, have.edge) };
}

function expectSite(
  site: WantedSite,
  have: Have,
  expected: Map<string, string>,
  refusals: Map<string, Refusal>,
): void {
  const found = have.nginx.files;
  const [path, refusedPath] = [sitePath(site.name), refusalPath(site.name)];
  const text = textOf(site, have);
  const refusal = readRefusal(found.get(refusedPath));
  if (refusal?.text !== text || refusal.version !== have.edge.version) {
    expected.set(path, text);
    return;
  }
  refusals.set(site.name, refusal);
  keep(expected, found, refusedPath);
  const lastGood = found.get(path);
  if (lastGood !== undefined && lastGood !== text && isIntact(lastGood)) expected.set(path, lastGood);
}

function keep(expected: Map<string, string>, found: ReadonlyMap<string, string>, ...paths: string[]): void {
  for (const path of paths) {
    const text = found.get(path);
    if (text !== undefined) expected.set(path, text);
  }
}

function certificatesIn(files: ReadonlyMap<string, string>, edge: Edge): Set<string> {
  const names = new Set<string>();
  for (const text of files.values()) {
    for (const [, path] of text.matchAll(/^\s*ssl_certificate\s+"?([^";]+)\.pem"?;/gm)) {
      if (path?.startsWith(`${edge.certificates}/`)) names.add(path.slice(edge.certificates.length + 1));
    }
  }
  return names;
}

/** By spec, which is frozen: a text is made again when that of its Site, another's claim or the edge changes. */
const texts = new WeakMap<SiteSpec, { key: string; text: string }>();

function textOf(site: WantedSite, { edge, nginx }: Have): string {
  const servings = servingsOf(site, nginx.certificates);
  const { modernOnly, thumbprints } = site;
  const key = JSON.stringify([site.hosts, edge, servings, modernOnly, [...thumbprints]]);
  const { spec } = site.document;
  const known = texts.get(spec);
  if (known?.key === key) return known.text;
  const text = siteText(site, edge, servings);
  texts.set(spec, { key, text });
  return text;
}

/** Whether what this Site wants is what nginx runs with. */
export function isServed(site: WantedSite, want: Want, have: Have): boolean {
  const { changed, refusals } = compare(want, have);
  const { running, loaded, files } = have.nginx;
  const path = sitePath(site.name);
  const own = certificateName(site.hosts);
  const certified = site.suspended || !needsOwn(site, have.nginx.certificates) || have.certificates.has(own);
  return (
    running && loaded && certified && files.has(path) && !changed.includes(path) && !refusals.has(site.name)
  );
}
