/** Counters and gauges in Prometheus' text format. Labels never carry addresses of clients or peers. */
export class Metrics {
  readonly #counters = new Map<string, number>()

  add(name: string, labels: Readonly<Record<string, string>> = {}, by = 1): void {
    const list = Object.entries(labels).map(([key, value]) => `${key}="${value}"`)
    const key = list.length === 0 ? name : `${name}{${list.join(',')}}`
    this.#counters.set(key, (this.#counters.get(key) ?? 0) + by)
  }

  text(gauges: Readonly<Record<string, number>>): string {
    const lines: string[] = []
    for (const [name, value] of Object.entries(gauges)) lines.push(`# TYPE ${name} gauge`, `${name} ${value}`)
    let family = ''
    for (const [key, value] of [...this.#counters].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const name = key.replace(/\{.*$/, '')
      if (name !== family) lines.push(`# TYPE ${name} counter`)
      family = name
      lines.push(`${key} ${value}`)
    }
    return `${lines.join('\n')}\n`
  }
}
