/** The machine itself: listening ports, routes, folders, free room. Writes only under the state folder. */

export interface Listener {
  protocol: 'tcp' | 'udp';
  /** 0.0.0.0 and :: for all. */
  address: string;
  port: number;
  /** Program that listens, where it can be told. */
  program?: string;
  pid?: number;
}

export interface Route {
  /** CIDR; 0.0.0.0/0 is left out. */
  destination: string;
  interface: string;
}

export interface HostReading {
  listeners(): Promise<Listener[]>;
  routes(): Promise<Route[]>;
  /** Whether the kernel can listen on ::1. */
  hasIpv6(): Promise<boolean>;
  hasAppArmorProfile(name: string): Promise<boolean>;
  /** Folder exists and is a folder. */
  folderExists(path: string): Promise<boolean>;
}

export interface HostWriting {
  /** Creates with mode where it is missing; leaves what is there as it is. Refuses paths outside the state folder. */
  ensureFolder(path: string, options: { mode: number }): Promise<void>;
  /** With everything in it; follows no link. Refuses paths outside the state folder's apps. */
  removeFolder(path: string): Promise<void>;
}

export interface Host extends HostReading, HostWriting {}
