/**
 * From what is wanted and what was found to the steps between: certificates first, then one new set of files for all Sites,
 * then nginx itself, then what nobody names any more. Pure. When it answers nothing, nginx serves what the Sites say.
 */
import type { Because, Impact } from '../../controller/engine/contract.ts';
import { certificateName } from '../drivers/authority/index.ts';
import { type Comparison, compare } from './compare.ts';
import { MAIN, siteOfPath, sitePath } from './config.ts';
import { differences, isIntact } from './directives.ts';
import { type Have, hostSets } from './observe.ts';
import { servingsOf } from './servings.ts';
import type {
  IssueCertificate,
  PublishSites,
  RemoveCertificate,
  SiteStep,
  StartNginx,
  UpgradeNginx,
} from './steps.ts';
import type { Want, WantedSite } from './want.ts';

/** Reasons of one file, and of all: enough to understand, not enough to drown in. */
const REASONS_PER_FILE = 12;
const NAMES_IN_MESSAGE = 5;

export function diffSites(want: Want, have: Have): SiteStep[] {
  const comparison = compare(want, have);
  const certificates = certificateSteps(want, have);
  const publish = publishStep({ want, have, comparison, certificates });
  return [
    ...certificates,
    ...(publish ? [publish] : []),
    ...(have.nginx.running ? [] : [startStep(have)]),
    // A set that is published brings the new program with it.
    ...(have.nginx.running && have.nginx.outdated && !publish ? [upgradeStep(have)] : []),
    ...leftovers(want, have, comparison),
  ];
}

function certificateSteps(want: Want, have: Have): IssueCertificate[] {
  const causes = new Map(want.sites.map((site) => [certificateName(site.hosts), site.cause]));
  return hostSets(want, have.nginx)
    .filter((hosts) => !have.certificates.has(certificateName(hosts)))
    .map((hosts) => {
      const name = certificateName(hosts);
      const isThere = have.nginx.certificates.includes(name);
      const wasThere = isThere || isNamed(name, have);
      const found = isThere ? 'due for renewal, or not good any more' : null;
      const cause = wasThere ? (isThere ? 'renewal' : 'drift') : (causes.get(name) ?? want.platformCause);
      return {
        type: 'IssueCertificate',
        target: `certificate/${hosts[0]}`,
        action: wasThere ? 'change' : 'create',
        impact: 'none',
        because: [{ field: 'certificate', found, wanted: hosts.join(', '), cause }],
        message: `${wasThere ? 'Renew the' : 'Issue a'} certificate for ${hosts.join(', ')} by the platform's own authority.`,
        knownLater: ['fingerprint'],
        regarding: namesWith(hosts, want),
        hosts,
      };
    });
}

/** Sites that are served with the certificate of these hosts. */
function namesWith(hosts: readonly string[], { sites }: Want): string[] {
  const certificate = certificateName(hosts);
  return sites.filter((site) => certificateName(site.hosts) === certificate).map(({ name }) => name);
}

function usesFile({ certificates }: WantedSite, name: string): boolean {
  return [...certificates.values()].some(({ file }) => file === name);
}

function isNamed(certificate: string, have: Have): boolean {
  return [...have.nginx.files.values()].some((text) => text.includes(`/${certificate}.pem`));
}

function publishStep(facts: {
  want: Want;
  have: Have;
  comparison: Comparison;
  certificates: readonly IssueCertificate[];
}): PublishSites | undefined {
  const { want, have, comparison, certificates } = facts;
  const { expected, changed } = comparison;
  const { running, loaded, generation } = have.nginx;
  const renewed = running ? certificates.filter(({ hosts }) => isNamed(certificateName(hosts), have)) : [];
  const because = changed.flatMap((path) => reasons(path, want, have, comparison));
  for (const { hosts } of renewed) {
    because.push({
      field: 'certificate',
      found: 'the one before',
      wanted: hosts.join(', '),
      cause: 'renewal',
      ...about(namesWith(hosts, want)[0]),
    });
  }
  for (const name of running ? have.nginx.stale : []) {
    const sites = want.sites.filter((site) => usesFile(site, name));
    if (sites.length === 0) continue;
    const hosts = sites.flatMap((site) => site.hosts).slice(0, REASONS_PER_FILE);
    const reason = {
      field: 'certificate',
      found: 'the one before',
      wanted: hosts.join(', '),
      cause: 'renewal',
    };
    because.push(...sites.map((site) => ({ ...reason, ...about(site.name) })));
  }
  if (because.length === 0 && running && !loaded) {
    because.push({ field: 'nginx.loaded', found: false, wanted: true, cause: 'drift' });
  }
  if (because.length === 0) return undefined;
  return {
    type: 'PublishSites',
    target: 'nginx',
    action: generation === 0 ? 'create' : 'change',
    impact: impactOf(have, comparison),
    because,
    regarding: [...new Set(because.flatMap(({ regarding }) => regarding ?? []))],
    message: publishMessage(have, comparison, renewed.length + (running ? have.nginx.stale.length : 0)),
    deadlineSeconds: 300,
    files: [...expected],
    version: have.edge.version,
  };
}

/** nginx cannot move between one address and all addresses of a port while it holds the port. */
function impactOf(have: Have, { expected }: Comparison): Impact {
  if (!have.nginx.running) return 'none';
  const [before, after] = [listens(have.nginx.files.get(MAIN)), listens(expected.get(MAIN))];
  const isWild = (place: string) => place.startsWith('0.0.0.0:') || place.startsWith('[::]:');
  const overlaps = (place: string, others: ReadonlySet<string>) =>
    !others.has(place) &&
    [...others].some(
      (other) => other.split(':').at(-1) === place.split(':').at(-1) && isWild(other) !== isWild(place),
    );
  return [...after].some((place) => overlaps(place, before)) ? 'restart' : 'reload';
}

function listens(text: string | undefined): Set<string> {
  return new Set([...(text ?? '').matchAll(/^\s*listen (\S+?)[\s;]/gm)].map((match) => match[1] ?? ''));
}

function about(site: string | undefined): { regarding?: string } {
  return site === undefined ? {} : { regarding: site };
}

function reasons(path: string, want: Want, have: Have, comparison: Comparison): Because[] {
  const named = about(siteOfPath(path));
  return reasonsOf(path, want, have, comparison).map((reason) => ({ ...reason, ...named }));
}

function reasonsOf(path: string, want: Want, have: Have, { expected }: Comparison): Because[] {
  const [found, wanted] = [have.nginx.files.get(path), expected.get(path)];
  const site = want.sites.find((entry) => sitePath(entry.name) === path);
  if (wanted === undefined)
    return [{ field: path, found: 'a file', wanted: null, cause: causeOfRemoval(path, found, want) }];
  if (found === undefined) {
    // Its certificate is named by no other file: nginx had it, so somebody took the file away.
    const cause = have.nginx.generation === 0 ? 'first time' : missingCause(path, site, have, want);
    return [{ field: path, found: null, wanted: 'a file', cause }];
  }
  const intact = path.endsWith('.conf') && isIntact(found);
  const cause = intact ? (site?.cause ?? want.platformCause) : 'drift';
  const different = path.endsWith('.conf') ? differences(found, wanted) : [];
  if (different.length === 0)
    return [{ field: path, found: 'another text', wanted: 'as written by Holdfast', cause }];
  return different.slice(0, REASONS_PER_FILE).map((entry) => ({
    field: `${path}: ${entry.path}`,
    found: entry.found,
    wanted: entry.wanted,
    cause: intact && /\.(listen|return)$/.test(entry.path) ? want.platformCause : cause,
  }));
}

function missingCause(path: string, site: WantedSite | undefined, have: Have, want: Want): string {
  if (!site) return path === MAIN ? 'drift' : want.platformCause;
  const present = have.nginx.certificates;
  return servingsOf(site, present).some(({ certificate }) => present.includes(certificate))
    ? 'drift'
    : site.cause;
}

/** A Site's own file goes because the Site went; what Holdfast did not write was put there by somebody. */
function causeOfRemoval(path: string, found: string | undefined, want: Want): string {
  const name = siteOfPath(path);
  if (name === undefined || found === undefined || !isIntact(found))
    return path.startsWith('refused/') ? 'not needed any more' : 'drift';
  const document = want.documents.find((entry) => entry.metadata.name === name);
  if (document?.metadata.deletionTimestamp !== undefined) return `site/${name} is deleted`;
  return document ? `site/${name} has no host left` : `there is no site/${name}`;
}

function publishMessage(have: Have, { changed, expected }: Comparison, renewed: number): string {
  const found = have.nginx.files;
  const label = (path: string) => (siteOfPath(path) === undefined ? path : `site/${siteOfPath(path)}`);
  const visible = changed.filter((path) => !path.startsWith('refused/'));
  const parts = [
    part('add', visible.filter((path) => !found.has(path)).map(label)),
    part('change', visible.filter((path) => found.has(path) && expected.has(path)).map(label)),
    part('remove', visible.filter((path) => !expected.has(path)).map(label)),
    renewed > 0 ? `load ${renewed} new certificate${renewed === 1 ? '' : 's'}` : '',
  ].filter((text) => text !== '');
  const what = parts.length > 0 ? parts.join('; ') : 'load what is published';
  return `Publish the configuration of nginx: ${what}.`;
}

function part(verb: string, names: string[]): string {
  if (names.length === 0) return '';
  const more = names.length - NAMES_IN_MESSAGE;
  return `${verb} ${names.slice(0, NAMES_IN_MESSAGE).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function startStep(have: Have): StartNginx {
  const cause = have.nginx.generation === 0 ? 'first time' : 'drift';
  return {
    type: 'StartNginx',
    target: 'nginx',
    action: 'create',
    impact: 'none',
    because: [{ field: 'nginx.running', found: false, wanted: true, cause }],
    message: 'Start nginx.',
  };
}

function upgradeStep(have: Have): UpgradeNginx {
  const wanted = `nginx ${have.nginx.version ?? ''}`.trim();
  return {
    type: 'UpgradeNginx',
    target: 'nginx',
    action: 'change',
    impact: 'reload',
    because: [
      {
        field: 'nginx.program',
        found: 'the program before',
        wanted,
        cause: 'an upgrade of the package of nginx',
      },
    ],
    message: `Let ${wanted} take the place of the nginx that runs, with its sockets.`,
    deadlineSeconds: 180,
  };
}

function leftovers(want: Want, have: Have, { certificates }: Comparison): RemoveCertificate[] {
  const needed = new Set([...hostSets(want, have.nginx).map(certificateName), ...want.files]);
  // A suspended Site's is not asked for, and not taken away either.
  for (const site of want.sites) if (site.suspended) needed.add(certificateName(site.hosts));
  return have.nginx.certificates
    .filter((name) => !certificates.has(name) && !needed.has(name))
    .map((name) => ({
      type: 'RemoveCertificate',
      target: `certificate/${name}`,
      action: 'delete',
      impact: 'none',
      because: [{ field: 'certificate', found: name, wanted: null, cause: 'no site uses it' }],
      message: `Remove the certificate ${name}, which no site uses.`,
      name,
    }));
}
