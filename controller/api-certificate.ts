/**
 * The certificate that the API shows, from the platform's own authority. Part of the wiring: called by main.ts. It is kept in a
 * folder of its own: among nginx's certificates it would make nginx load anew.
 */
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createAuthority } from '../reconcilers/drivers/authority/folder.ts';
import { writeCertificate } from '../reconcilers/drivers/nginx/certificates.ts';
import type { Certificate } from './api/dependencies.ts';
import type { Clock } from './clock.ts';

const ALL_ADDRESSES = ['0.0.0.0', '::'];

export function apiCertificate(options: { stateFolder: string; clock: Clock; hostname: string }) {
  const { stateFolder, clock, hostname } = options;
  const folder = join(stateFolder, 'api');
  const authority = createAuthority({
    folder: join(stateFolder, 'authority'),
    clock,
    hostname,
    nginx: { certificates: folder, writeCertificate: (name, pem) => writeCertificate(folder, name, pem) },
  });
  return async (addresses: readonly string[]): Promise<Certificate> => {
    const names = namesFor(addresses, hostname);
    const { paths } = (await authority.find(names)) ?? (await authority.issue(names));
    const read = (path: string) => readFile(path, 'utf8');
    const [key, cert, ca] = await Promise.all([
      read(paths.key),
      read(paths.certificate),
      read(authority.caCertificatePath),
    ]);
    return { key, cert, ca };
  };
}

/** Every name under which this machine may be asked for on these addresses. */
function namesFor(addresses: readonly string[], hostname: string): string[] {
  const isOpen = addresses.some((address) => ALL_ADDRESSES.includes(address));
  const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  // An address with a zone, such as fe80::1%eth0, can stand in no certificate.
  const all = isOpen ? own.map(({ address }) => address).filter((address) => !address.includes('%')) : [];
  const named = addresses.filter((address) => !ALL_ADDRESSES.includes(address));
  const host = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/i.test(hostname) ? [hostname.toLowerCase()] : [];
  return [...new Set(['localhost', '127.0.0.1', '::1', ...host, ...named, ...all])];
}
