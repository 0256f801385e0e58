/** One HTTP question to an App, as a browser would put it: no redirects followed, no body kept. */
export interface ProbeTarget {
  address: string;
  port: number;
  /** Path with a slash in front. */
  path: string;
  /** Host header. */
  host: string;
  timeoutMilliseconds: number;
  /** Ask with TLS for `host`, without checking the certificate: through the edge. */
  tls?: boolean;
}

export interface ProbeAnswer {
  /** Below 400. */
  ok: boolean;
  status?: number;
  /** "status 503", "connection refused", "no answer in 10 s". */
  message: string;
}

export interface Probe {
  ask(target: ProbeTarget, signal?: AbortSignal): Promise<ProbeAnswer>;
}
