/**
 * A host with a name server and an ACME authority of its own beside Holdfast. The host finds names by that name server alone, as the
 * authority does: who comes to an App here comes by DNS.
 */
import { makeAuthority, makeLeaf } from '../../reconcilers/drivers/authority/x509.ts';
import type { Host } from './host.ts';
import { until } from './until.ts';

/** In base64; the one of examples/domain.yaml. */
export const ZONE_KEY = 'Y2hhbmdlLW1lLWJlZm9yZS15b3UtdXNlLWl0LQ==';

const zoneText = (zone: string) => `$ORIGIN ${zone}.
$TTL 3600
@ SOA ns1 hostmaster 1 3600 900 604800 300
@ NS ns1
@ TXT "kept by somebody else"
@ MX 10 mail.example.edu.
ns1 A 127.0.0.1
theirs A 198.51.100.1
`;

const knotConfig = (zones: readonly string[]) => `
server:
  rundir: "/run/names"
  listen: 127.0.0.1@53
database:
  storage: "/var/lib/names"
key:
  - id: holdfast
    algorithm: hmac-sha256
    secret: ${ZONE_KEY}
acl:
  - id: change
    key: holdfast
    action: [update, transfer]
zone:
${zones
  .map(
    (zone) => `  - domain: ${zone}
    file: "/var/lib/names/${zone}.zone"
    acl: change
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
`,
  )
  .join('')}`;

export async function serveZones(host: Host, zones: readonly string[]): Promise<void> {
  await host.sh('mkdir -p /run/names /var/lib/names');
  for (const zone of zones) await host.sh(`cat >/var/lib/names/${zone}.zone`, { input: zoneText(zone) });
  await host.sh('cat >/var/lib/names/knot.conf', { input: knotConfig(zones) });
  await host.sh('setsid knotd -c /var/lib/names/knot.conf >/var/log/knot.log 2>&1 </dev/null &');
  await host.sh('echo nameserver 127.0.0.1 >/etc/resolv.conf');
  await until('the name server answers', () =>
    host.sh(`kdig +tcp +short @127.0.0.1 SOA ${zones.at(-1)} | grep .`),
  );
}

/** A whole zone but its serial number. */
export const zoneRecords = (host: Host, zone: string) =>
  host.sh(
    `kdig +tcp @127.0.0.1 AXFR ${zone} -y hmac-sha256:holdfast:${ZONE_KEY} +noall +answer | grep -v '\\sSOA\\s' | sort`,
  );

export const zoneSerial = (host: Host, zone: string) => host.sh(`kdig +tcp +short @127.0.0.1 SOA ${zone}`);

/** pebble on the host: strict, refusing one nonce in five, looking at names where the host does and at port 80. */
export interface Authority {
  readonly directory: string;
  /** Signed its own HTTPS certificate. */
  readonly ca: string;
  /** Ends it: it forgets accounts, orders and its root. */
  halt(): Promise<void>;
  start(options?: { validitySeconds?: number }): Promise<void>;
  /** Writes what its certificates are signed under to this file of the host. */
  root(file: string): Promise<void>;
  /** Orders since it was last started. */
  orders(): Promise<number>;
}

const AUTHORITY = 'https://127.0.0.1:14000';
const LOG = '/var/log/pebble.log';

export async function installAuthority(host: Host): Promise<Authority> {
  const authority = await makeAuthority({ name: 'pebble test', now: Date.now() });
  const leaf = await makeLeaf(authority, ['localhost', '127.0.0.1'], Date.now());
  await host.sh('mkdir -p /etc/pebble');
  const files = { 'ca.pem': authority.certificate, 'cert.pem': leaf.certificate, 'key.pem': leaf.key };
  for (const [name, input] of Object.entries(files)) await host.sh(`cat >/etc/pebble/${name}`, { input });
  const start: Authority['start'] = async ({ validitySeconds } = {}) => {
    const pebble = {
      listenAddress: '127.0.0.1:14000',
      managementListenAddress: '127.0.0.1:15000',
      certificate: '/etc/pebble/cert.pem',
      privateKey: '/etc/pebble/key.pem',
      httpPort: 80,
      tlsPort: 443,
      ocspResponderURL: '',
      externalAccountBindingRequired: false,
      ...(validitySeconds === undefined ? {} : { certificateValidityPeriod: validitySeconds }),
    };
    await host.sh('cat >/etc/pebble/config.json', { input: JSON.stringify({ pebble }) });
    await host.sh(
      `setsid pebble -strict -config /etc/pebble/config.json -dnsserver 127.0.0.1:53 >${LOG} 2>&1 </dev/null & echo $! >/run/pebble.pid`,
      {
        env: { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '20', PEBBLE_AUTHZREUSE: '0' },
      },
    );
    await until('the authority answers', () =>
      host.sh(`curl -sS --fail --cacert /etc/pebble/ca.pem ${AUTHORITY}/dir`),
    );
  };
  await start();
  return {
    directory: `${AUTHORITY}/dir`,
    ca: authority.certificate,
    start,
    halt: async () => {
      await host.sh('kill -9 $(cat /run/pebble.pid)');
    },
    root: async (file) => {
      await host.sh(`curl -sS --fail --cacert /etc/pebble/ca.pem https://127.0.0.1:15000/roots/0 -o ${file}`);
    },
    orders: async () => Number(await host.sh(`grep -c 'Added order "' ${LOG} || true`)),
  };
}
