"use client";
import { useConsent } from "heliotrope-react";

export function ConsentBanner() {
  const { granted, grant, withdraw, erase } = useConsent();
  if (granted === undefined) return null; // not known on a server: the question does not flash
  return (
    <footer>
      {granted === null ? (
        <div role="region" aria-label="Consent" className="banner">
          <p>May we use what you look at here to choose what to show you?</p>
          <button onClick={grant}>Yes</button> <button onClick={withdraw}>No, show popular items</button>
        </div>
      ) : (
        <p>
          {granted ? "This shop adapts to you." : "This shop shows popular items only."}{" "}
          <button onClick={granted ? withdraw : grant}>{granted ? "Stop" : "Adapt"}</button>{" "}
          <button onClick={erase}>Forget me</button>
        </p>
      )}
    </footer>
  );
}
