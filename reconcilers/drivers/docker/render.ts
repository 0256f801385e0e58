/**
 * ContainerSpec and NetworkSpec in the engine's words. Pure; called by the driver when it creates. What read.ts reads back
 * from an inspect of the result must compare equal to the spec (difference.ts): a setting added here is added there too.
 */
import type { ContainerCreateOptions, MountSettings, NetworkCreateOptions, PortBinding } from 'dockerode';
import type { ContainerSpec, Mount, NetworkSpec, PublishedPort } from './index.ts';

/** Always given, also to an App that asks for nothing: no setuid program gains rights. */
export const NO_NEW_PRIVILEGES = 'no-new-privileges:true';

export function renderContainer(spec: ContainerSpec): ContainerCreateOptions {
  const bindings = portBindings(spec.ports);
  return {
    name: spec.name,
    Image: spec.image,
    ...(spec.command === undefined ? {} : { Cmd: spec.command }),
    Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    Labels: { ...spec.labels },
    Tty: spec.tty,
    StopTimeout: spec.stopSeconds,
    ExposedPorts: Object.fromEntries(Object.keys(bindings).map((port) => [port, {}])),
    HostConfig: {
      ...memory(spec.memoryWithSwap),
      ReadonlyRootfs: spec.readOnlyRoot,
      RestartPolicy: { Name: spec.restartPolicy },
      LogConfig: {
        Type: 'json-file',
        Config: { 'max-size': spec.log.maxSize, 'max-file': String(spec.log.maxFiles) },
      },
      PidsLimit: spec.pidsLimit,
      CpuShares: spec.cpuShares,
      CapDrop: [...spec.dropCapabilities],
      SecurityOpt: [
        NO_NEW_PRIVILEGES,
        ...(spec.apparmorProfile === undefined ? [] : [`apparmor=${spec.apparmorProfile}`]),
      ],
      Dns: [...spec.dns],
      DnsSearch: [...spec.dnsSearch],
      ExtraHosts: Object.entries(spec.hosts).map(([name, address]) => `${name}:${address}`),
      Mounts: spec.mounts.map((mount) => renderMount(mount, spec.labels)),
      PortBindings: bindings,
      PublishAllPorts: false,
      NetworkMode: spec.network.name,
    },
    NetworkingConfig: { EndpointsConfig: { [spec.network.name]: endpoint(spec.network.address) } },
  };
}

export function renderNetwork(spec: NetworkSpec): NetworkCreateOptions {
  return {
    Name: spec.name,
    Driver: 'bridge',
    CheckDuplicate: true,
    IPAM: { Driver: 'default', Config: [{ Subnet: spec.subnet, Gateway: spec.gateway }] },
    Labels: { ...spec.labels },
    Options: { ...spec.options },
  };
}

/** The engine's two numbers: memory alone, and memory with swap. 0 is no limit. */
function memory(withSwap: number | undefined): { Memory: number; MemorySwap: number } {
  if (withSwap === undefined || withSwap <= 0) return { Memory: 0, MemorySwap: 0 };
  return { Memory: Math.floor(withSwap / 2), MemorySwap: withSwap };
}

/** As a mount, not a bind: the engine then refuses a host path that is missing instead of making it as root. */
function renderMount(mount: Mount, labels: Record<string, string>): MountSettings {
  const common = { Source: mount.source, Target: mount.target, ReadOnly: mount.readOnly ?? false };
  if (mount.type === 'bind') return { ...common, Type: 'bind' };
  if (mount.existing) return { ...common, Type: 'volume' };
  return {
    ...common,
    Type: 'volume',
    VolumeOptions: {
      NoCopy: false,
      Labels: { ...labels },
      DriverConfig: { Name: 'local', Options: deviceOptions(mount.device) },
    },
  };
}

/** A folder of the host as a volume: the local driver mounts it where the container wants it. */
function deviceOptions(device: string | undefined): Record<string, string> {
  return device === undefined ? {} : { type: 'none', o: 'bind', device };
}

function portBindings(ports: readonly PublishedPort[]): Record<string, PortBinding[]> {
  const bindings: Record<string, PortBinding[]> = {};
  for (const port of ports) {
    const name = `${port.containerPort}/${port.protocol}`;
    const binding = { HostIp: port.hostAddress ?? '0.0.0.0', HostPort: String(port.hostPort) };
    bindings[name] = [...(bindings[name] ?? []), binding as PortBinding];
  }
  return bindings;
}

function endpoint(address: string) {
  return address === '' ? {} : { IPAMConfig: { IPv4Address: address } };
}
