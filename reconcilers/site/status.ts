/** What each Site is told of itself. Pure. Ready only when nginx was seen to run with its file and its certificate. */
import type { ConditionDraft, Outcome, StatusDraft } from '../../controller/engine/contract.ts';
import { certificateName } from '../drivers/authority/index.ts';
import { compare, isServed } from './compare.ts';
import { sitePath } from './config.ts';
import type { Have } from './observe.ts';
import type { SiteStep } from './steps.ts';
import { urlOf, type Want, type WantedSite } from './want.ts';

export function statusOfSites(want: Want, have: Have | undefined, outcome: Outcome<SiteStep>): StatusDraft[] {
  const deleted = want.documents.filter((document) => document.metadata.deletionTimestamp !== undefined);
  return [
    ...want.sites.map((site) => draft(site, want, have, outcome)),
    ...deleted.map((document) => ({
      document,
      conditions: [ready('False', 'Deleting', 'It is taken out of nginx.')],
    })),
  ];
}

function draft(
  site: WantedSite,
  want: Want,
  have: Have | undefined,
  outcome: Outcome<SiteStep>,
): StatusDraft {
  const [host] = site.hosts;
  const certificate = servedCertificate(site, have);
  const certified = certification(site, have);
  return {
    document: site.document,
    conditions: [readiness(site, want, have, outcome), ...(certified ? [certified] : [])],
    fields: {
      url: host === undefined ? undefined : urlOf(host, want.http.httpsPort),
      certificate: certificate && {
        issuer: certificate.issuer,
        notAfter: certificate.notAfter,
        fingerprint: certificate.fingerprint,
      },
      thumbprints: thumbprintsServed(site, want, have),
    },
  };
}

/** Of the main host. */
function servedCertificate(
  site: WantedSite,
  have: Have | undefined,
): { issuer: string; notAfter: string; fingerprint: string } | undefined {
  const own = have?.certificates.get(certificateName(site.hosts));
  const found = site.certificates.get(site.hosts[0] ?? '');
  return found && have?.nginx.certificates.includes(found.file) ? found : own;
}

/** Whether each host has a certificate of its Domain; nothing of Sites that need none. */
function certification(site: WantedSite, have: Have | undefined): ConditionDraft | undefined {
  if (!have || site.hosts.length === 0 || !site.certifiedByDomain) return undefined;
  const present = have.nginx.certificates;
  const without = site.hosts.filter((host) => !present.includes(site.certificates.get(host)?.file ?? ''));
  const [first] = without;
  if (first === undefined) {
    const until = [...site.certificates.values()].map(({ notAfter }) => notAfter).sort()[0];
    return { type: 'Certified', status: 'True', reason: 'Certified', message: `Good until ${until}.` };
  }
  const message = `${without.join(', ')}: served with a certificate of the platform’s own authority, which browsers warn of, until there is another. holdfast get certificates tells what it waits for.`;
  return { type: 'Certified', status: 'False', reason: 'Fallback', message };
}

/** What nginx answers HTTP challenges with now: Certificates wait for it. */
function thumbprintsServed(site: WantedSite, want: Want, have: Have | undefined): string[] | undefined {
  const prints = [...new Set(site.thumbprints.values())].sort();
  if (prints.length === 0) return undefined;
  const before = (site.document.status as { thumbprints?: string[] } | undefined)?.thumbprints;
  if (!have) return before;
  return isServed(site, want, have) && !site.suspended ? prints : undefined;
}

function readiness(
  site: WantedSite,
  want: Want,
  have: Have | undefined,
  { failure }: Outcome<SiteStep>,
): ConditionDraft {
  if (site.problem) return ready('False', site.problem.reason, site.problem.message);
  if (!have) {
    return ready(
      'Unknown',
      failure?.reason ?? 'NotObserved',
      failure?.message ?? 'nginx was not looked at yet.',
    );
  }
  const refusal = compare(want, have).refusals.get(site.name);
  if (refusal)
    return ready(
      'False',
      'Refused',
      refusedWords(refusal.message, have.nginx.files.has(sitePath(site.name))),
    );
  if (!isServed(site, want, have)) {
    const waiting = have.nginx.running ? 'Its file is not loaded yet.' : 'nginx does not run.';
    const reason = have.nginx.running ? 'Publishing' : 'NginxDown';
    return ready('False', failure?.reason ?? reason, failure?.message ?? waiting);
  }
  const url = urlOf(site.hosts[0] ?? '', want.http.httpsPort);
  if (site.suspended) return ready('True', 'Suspended', `${url} is served as it was when it was suspended.`);
  if (site.stopped) return ready('True', 'Stopped', `${url} shows a page that says that the app is stopped.`);
  return ready('True', 'Serving', `${url} answers through nginx.`);
}

function refusedWords(message: string, hasLastGood: boolean): string {
  return `nginx refuses it: ${message}. ${hasLastGood ? 'Its last good configuration goes on serving.' : 'It is not served; all others are.'}`;
}

function ready(status: ConditionDraft['status'], reason: string, message: string): ConditionDraft {
  return { type: 'Ready', status, reason, message };
}
