/** A ContainerSpec to begin tests with. */
import { type ContainerSpec, LABEL } from '../../reconcilers/drivers/docker/index.ts';

export function exampleSpec(changes: Partial<ContainerSpec> = {}): ContainerSpec {
  const { name = 'holdfast-app-wiki' } = changes;
  return {
    name,
    image: 'wiki:1',
    command: ['sleep', 'infinity'],
    env: { TOKEN: 'secret-value' },
    labels: { [LABEL.managed]: 'true', [LABEL.uid]: name, [LABEL.name]: name, [LABEL.hash]: 'abc' },
    tty: false,
    network: { name: 'holdfast', address: '10.99.0.10' },
    dns: ['10.99.0.1'],
    dnsSearch: ['.'],
    hosts: {},
    mounts: [],
    ports: [],
    readOnlyRoot: true,
    memoryWithSwap: 256 * 1024 * 1024,
    cpuShares: 512,
    pidsLimit: 1024,
    restartPolicy: 'always',
    dropCapabilities: ['NET_RAW'],
    log: { maxSize: '10m', maxFiles: 3 },
    stopSeconds: 10,
    ...changes,
  };
}
