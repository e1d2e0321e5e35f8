// The guided tours on offer.
export function TourMenu() {
  return null;
}
