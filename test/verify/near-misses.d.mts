export interface NearMiss {
  edit: string;
  text: string;
}
export function nearMisses(given: string, options: { type: string }): NearMiss[];
