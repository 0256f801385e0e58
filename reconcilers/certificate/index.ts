/**
 * The reconciler of Certificates. It has two kinds of keys: a Certificate's name, for that certificate, and @domain, for which
 * Certificates a Domain should have. So one certificate that does not get on holds up neither another nor what comes new.
 * Registered in core.ts.
 */
import type { Reconciler, View } from '../../controller/engine/contract.ts';
import type { Document } from '../../resources/document.ts';
import { domainFacts, isWithin } from '../../resources/domain.ts';
import {
  type AllocationStep,
  type AllocationWant,
  allocationKey,
  allocationWant,
  convergeAllocation,
  diffAllocation,
  domainOfKey,
} from './allocating.ts';
import { type CertificateWriting, convergeCertificate } from './converge.ts';
import { diffCertificate } from './diff.ts';
import { secretsOf } from './issuer.ts';
import { type CertificateHave, type CertificateReading, observeCertificate } from './observe.ts';
import { certificateStatus, lookAgainAfter } from './status.ts';
import type { CertificateStep } from './steps.ts';
import { type CertificateWant, certificateWant } from './want.ts';

type Want = { allocation: AllocationWant } | { certificate: CertificateWant };
type Have = { certificate?: CertificateHave };
type AnyStep = AllocationStep | CertificateStep;

export const certificateReconciler: Reconciler<Want, Have, AnyStep, CertificateReading, CertificateWriting> =
  {
    kind: 'Certificate',
    // Authorities answer slowly, and a poll holds its place.
    parallelism: 8,
    watches: ['Certificate', 'Domain', 'Site', 'DNSRecord', 'Key', 'Secret'],
    // Many Apps that come at once are to share certificates, not to have one after another.
    settleMilliseconds: 1_000,
    key: ({ metadata }) => metadata.name,
    wakes,
    always: (view) => view.list('Domain').map(({ metadata }) => allocationKey(metadata.name)),
    want(key, view) {
      const domain = domainOfKey(key);
      if (domain !== undefined) {
        const allocation = allocationWant(domain, view);
        return allocation && { allocation };
      }
      const certificate = certificateWant(key, view);
      return certificate && { certificate };
    },
    documents: (want) => ('certificate' in want ? [want.certificate.document as Document] : []),
    async observe(want, world) {
      return 'certificate' in want ? { certificate: await observeCertificate(want.certificate, world) } : {};
    },
    diff(want, have) {
      if ('allocation' in want) return diffAllocation(want.allocation);
      return have.certificate ? diffCertificate(want.certificate, have.certificate) : [];
    },
    converge: (step, world, run) =>
      'work' in step ? convergeCertificate(step, world, run) : convergeAllocation(step, run),
    status(want, have, outcome) {
      if (!('certificate' in want)) return [];
      const pending = outcome.pending.filter((step) => 'work' in step);
      return certificateStatus(want.certificate, have?.certificate, { ...outcome, pending });
    },
    requeueAfterSeconds: (want, have) =>
      'certificate' in want && have.certificate
        ? lookAgainAfter(want.certificate, have.certificate)
        : undefined,
  };

function wakes(changed: Document, view: View): readonly string[] {
  const { kind, metadata, spec } = changed;
  switch (kind) {
    case 'Certificate':
      return [allocationKey(String(spec['domain']))];
    case 'Domain':
      return [
        allocationKey(metadata.name),
        ...namesIn(view, (each) => each.spec['domain'] === metadata.name),
      ];
    case 'Site': {
      const hosts = (spec['hosts'] ?? []) as string[];
      const domains = view.list('Domain').map((domain) => domain.metadata.name);
      const concerned = domains.filter(
        (domain) => domain === spec['domain'] || hosts.some((host) => isWithin(host, domain)),
      );
      return [...concerned.map(allocationKey), ...withHosts(view, hosts)];
    }
    case 'DNSRecord': {
      const owner = metadata.ownerReferences?.find((reference) => reference.controller);
      return owner?.kind === 'Certificate' ? [owner.name] : withHosts(view, [String(spec['name'])]);
    }
    case 'Key':
      // An account is there now; the Key of a Certificate is written by its own run.
      return spec['type'] === 'AcmeAccount' ? namesIn(view, (each) => each.spec['issuer'] === 'acme') : [];
    default:
      return namesIn(view, (each) => mentions(each, metadata.name, view));
  }
}

function namesIn(view: View, isMeant: (certificate: Document) => boolean): string[] {
  return view
    .list('Certificate')
    .filter(isMeant)
    .map(({ metadata }) => metadata.name);
}

function byHost(view: View): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { metadata, spec } of view.list('Certificate')) {
    for (const host of (spec['hosts'] ?? []) as string[])
      found.set(host, [...(found.get(host) ?? []), metadata.name]);
  }
  return found;
}

function withHosts(view: View, hosts: readonly string[]): string[] {
  const index = view.derived('certificates by host', ['Certificate'], byHost);
  return [...new Set(hosts.flatMap((host) => index.get(host) ?? []))];
}

function mentions({ spec }: Document, secret: string, view: View): boolean {
  if (spec['secret'] === secret) return true;
  const facts = domainFacts(view, String(spec['domain']));
  return facts !== undefined && secretsOf(facts).includes(secret);
}
