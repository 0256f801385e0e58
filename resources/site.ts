/** Site: one virtual host of nginx. Written by the reconciler of an App, which owns it. */
import { AGE, MESSAGE, READY, STATUS } from './columns.ts';
import type { Document } from './document.ts';
import type { SiteSpec, SiteStatus } from './generated.ts';
import type { KindDefinition } from './kind.ts';

export type Site = Document<SiteSpec, SiteStatus>;

export const SITE_FINALIZER = 'holdfast.dev/site';

export const siteKind: KindDefinition = {
  kind: 'Site',
  plural: 'sites',
  singular: 'site',
  shortNames: ['st'],
  schema: 'site.v1.json',
  writtenBy: 'reconcilers',
  finalizers: [SITE_FINALIZER],
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    READY,
    STATUS,
    { name: 'URL', value: 'status.url' },
    { name: 'UPSTREAM', value: (document) => upstream(document) },
    {
      name: 'HOSTS',
      value: (document) => (document as unknown as Site).spec.hosts.join(','),
      wide: true,
    },
    { name: 'CERTIFICATE UNTIL', value: 'status.certificate.notAfter', wide: true },
    MESSAGE,
    AGE,
  ],
  selectable: ['spec.domain', 'spec.state'],
};

function upstream(document: Document): string {
  const { address, port } = (document as unknown as Site).spec.upstream;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
