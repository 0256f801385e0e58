/** An authority in memory, for tests and the simulation. Its certificates are kept in the nginx that it is given, as the real one's are. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../../controller/clock.ts';
import type { IssuedCertificate } from '../../world.ts';
import type { FakeNginx } from '../nginx/fake.ts';
import { type Authority, certificateName } from './index.ts';

const DAY = 24 * 60 * 60 * 1000;

export interface FakeAuthority extends Authority {
  /** Names of hosts for which it issued, in order. */
  readonly issued: string[];
}

export function createFakeAuthority(options: { clock: Clock; nginx: FakeNginx }): FakeAuthority {
  const { clock, nginx } = options;
  const issued: string[] = [];
  return {
    caCertificatePath: '/fake/authority/ca.pem',
    issued,
    ensure: async () => undefined,
    async find(hosts) {
      const name = certificateName(hosts);
      const text = nginx.pems.get(name)?.certificate;
      if (text === undefined) return undefined;
      const from = Number(text);
      const fresh = clock.now() >= from && clock.now() < from + (397 * DAY * 2) / 3;
      return fresh ? describe(name, from, nginx.certificates) : undefined;
    },
    async issue(hosts) {
      const name = certificateName(hosts);
      const from = clock.now() - DAY;
      issued.push(hosts.join());
      await nginx.writeCertificate(name, { certificate: String(from), key: name });
      return describe(name, from, nginx.certificates);
    },
  };
}

function describe(name: string, from: number, folder: string): IssuedCertificate {
  return {
    issuer: 'CN=Holdfast fake CA',
    notAfter: new Date(from + 397 * DAY).toISOString(),
    fingerprint: createHash('sha256').update(`${name} ${from}`).digest('hex'),
    name,
    paths: { certificate: `${folder}/${name}.pem`, key: `${folder}/${name}.key` },
  };
}
