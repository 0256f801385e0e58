/**
 * Keeps the Certificate documents of a Domain as `allocate` says. A part of the reconciler of Certificates: its keys are the Domains'
 * names with an @ before them.
 */
import type { Run, Step, View } from '../../controller/engine/contract.ts';
import type { Certificate } from '../../resources/certificate.ts';
import type { Document, Json, Manifest, Reference } from '../../resources/document.ts';
import { domainFacts } from '../../resources/domain.ts';
import { allocate, certificatesOf, hostsOf, isGoing } from './allocation.ts';
import { listed } from './pem.ts';

export interface AllocationWant {
  domain: Document;
  present: readonly Certificate[];
  wanted: readonly Manifest[];
  superfluous: readonly string[];
  cause: string;
}

export interface AllocationStep extends Step {
  readonly type: 'ApplyCertificate' | 'DeleteCertificate';
  readonly owner: Document;
  readonly child: { apply: Manifest } | { delete: Reference };
}

export function allocationKey(domain: string): string {
  return `@${domain}`;
}

/** The Domain whose Certificates a key is about. */
export function domainOfKey(key: string): string | undefined {
  return key.startsWith('@') ? key.slice(1) : undefined;
}

export function allocationWant(domain: string, view: View): AllocationWant | undefined {
  const facts = domainFacts(view, domain);
  const document = facts?.document as Document | undefined;
  if (!facts || !document || document.spec['suspend'] === true) return undefined;
  // Not verified, or on its way out while a Site has a name of it: what is there stays as it is. Once none has, all go: the Domain
  // waits for its records to go, and those of an order are there until somebody ends the order.
  if (isGoing(facts) ? hostsOf(facts, view).size > 0 : facts.waitsFor) return undefined;
  const present = certificatesOf(document, view);
  return { domain: document, present, ...allocate(facts, present, view), cause: view.causeOf(document) };
}

export function diffAllocation({
  domain,
  present,
  wanted,
  superfluous,
  cause,
}: AllocationWant): AllocationStep[] {
  const changed = wanted.flatMap((manifest): AllocationStep[] => {
    const { name } = manifest.metadata;
    const was = present.find(({ metadata }) => metadata.name === name);
    const { suspend: _own, ...spec } = (was?.spec ?? {}) as Record<string, unknown>;
    if (was && JSON.stringify(sorted(spec)) === JSON.stringify(sorted(manifest.spec ?? {}))) return [];
    const [found, hosts] = [was ? [...was.spec.hosts] : null, hostsIn(manifest)];
    return [
      {
        type: 'ApplyCertificate',
        target: `certificate/${name}`,
        action: was ? 'change' : 'create',
        impact: 'none',
        message: `${was ? 'change' : 'ask for'} the certificate of ${hosts.length > 0 ? listed(hosts) : 'no host any more'}`,
        because: [{ field: 'hosts', found, wanted: hosts as Json, cause }],
        owner: domain,
        child: { apply: manifest },
      },
    ];
  });
  const removed = superfluous.map(
    (name): AllocationStep => ({
      type: 'DeleteCertificate',
      target: `certificate/${name}`,
      action: 'delete',
      impact: 'none',
      message: `remove the certificate ${name}, which nobody needs`,
      because: [{ field: 'hosts', found: 'none that need it', wanted: null, cause }],
      owner: domain,
      child: { delete: { kind: 'Certificate', name } },
    }),
  );
  return [...changed, ...removed];
}

function hostsIn(manifest: Manifest): string[] {
  return (manifest.spec?.['hosts'] ?? []) as string[];
}

function sorted(spec: Record<string, unknown>): [string, unknown][] {
  return Object.entries(spec).sort(([one], [other]) => (one < other ? -1 : 1));
}

export async function convergeAllocation({ child, owner }: AllocationStep, run: Run): Promise<void> {
  if ('apply' in child) await run.documents.apply(owner, child.apply);
  else await run.documents.delete(child.delete);
}
