using System.Diagnostics.CodeAnalysis;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation.Exploration;

/// <summary>How one history ended.</summary>
/// <param name="Failure">What was not as it must be; <see langword="null"/> if all was.</param>
/// <param name="Tally">What happened.</param>
/// <param name="Turns">How many turns it took.</param>
/// <param name="Journal">What faults did, if that was asked for.</param>
internal sealed record Verdict(string? Failure, Tally Tally, int Turns, IReadOnlyList<string> Journal);

/// <summary>One run with its faults, then without until it finishes, and what a client makes of it.</summary>
internal sealed class Execution
{
    // Led by new coordinators while things go wrong: bounded, because nothing may go on for ever.
    private const int MaxLeads = 300;

    // Without faults one is enough; one more for each of two late consequences: what was read was lost, or the
    // recoveries were used up.
    private const int MaxCalmLeads = 3;

    // Late messages may each cost a recovery still, but those of one term only one together.
    private const int MaxCalmRecoveries = 8;

    private readonly Scenario scenario;
    private readonly Golden golden;
    private readonly RunPlan plan;
    private readonly DeterministicSimulator carrier;
    private bool isCalm;
    private int leads;
    private int calmTurns;
    private long calmRecoveries;

    public Execution(
        Scenario scenario,
        Golden golden,
        Machines machines,
        ulong seed,
        IFaults faults,
        bool journal = false
    )
    {
        (this.scenario, this.golden, plan) = (scenario, golden, scenario.PlanOf(golden));
        var store = machines.Store(scenario.Keep);
        carrier = new DeterministicSimulator(
            plan,
            golden.Data,
            machines.Create,
            faults,
            seed,
            store,
            scenario.Silos,
            scenario.Window,
            golden
        )
        {
            KeepsJournal = journal,
        };
    }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever a machine throws is what is looked for.")]
    public Verdict Run()
    {
        string? failure;
        try
        {
            failure = ToTheEnd();
        }
        catch (Exception e)
        {
            failure = e is InvariantViolationException or DivergenceException
                ? e.Message
                : $"{e.GetType().Name}: {e.Message} {e.StackTrace?.Split('\n')[0].Trim()}";
        }

        carrier.CountLeaders();
        return new Verdict(failure, carrier.Tally, carrier.Turns, carrier.Journal);
    }

    private string? ToTheEnd()
    {
        while (true)
        {
            if (!isCalm && carrier.Turns >= scenario.Faults)
                Calm();
            if (!carrier.IsLed && carrier.Turns > 0 && carrier.Coordinator.Status.IsOver())
            {
                if (Judge(out var verdict))
                    return verdict;
                if (++leads > (isCalm ? MaxCalmLeads : MaxLeads))
                    return $"it was led {leads} times{(isCalm ? " after the last fault" : "")} and did not finish: "
                        + $"{carrier.Coordinator.Failure?.Reason}";
            }

            carrier.Turn();
            if (isCalm && ++calmTurns > MaxCalmTurns)
                return $"it did not finish within {calmTurns} turns after the last fault; "
                    + $"{carrier.Coordinator.Status} step {carrier.Coordinator.Step} in term "
                    + $"{carrier.Coordinator.Term}";
            if (isCalm && carrier.Coordinator.Recoveries > calmRecoveries + MaxCalmRecoveries)
                return $"more than {MaxCalmRecoveries} recoveries after the last fault";
        }
    }

    private int MaxCalmTurns => 3000 + 30 * carrier.Coordinator.Steps * (int)plan.MessagesPerStep;

    private void Calm()
    {
        (isCalm, leads) = (true, 0);
        carrier.Calm();
        calmRecoveries = carrier.Coordinator.Recoveries;
    }

    /// <summary>A coordinator is done: reads the result, or leads the run again.</summary>
    /// <returns>Whether the history is over.</returns>
    private bool Judge(out string? verdict)
    {
        var state = carrier.Coordinator;
        verdict = null;
        if (state.Status == RunStatus.Completed)
        {
            if (!isCalm)
                Calm();
            carrier.Settle();
            // What was under way has made somebody lead once more.
            if (carrier.IsLed)
                return false;
            if (carrier.Read() is { } result)
            {
                verdict = Difference(result);
                return true;
            }
        }
        else if (
            state.Failure is { } failure
            && (
                scenario.MustNotFail
                || failure.Kind is not (FailureKind.Lost or FailureKind.Store or FailureKind.Fenced or FailureKind.Data)
            )
        )
        {
            verdict = $"it failed: {failure.Kind}: {failure.Reason} ({failure.Key})";
            return true;
        }

        carrier.Lead();
        return false;
    }

    private string? Difference(TrainingResult result)
    {
        carrier.Rules.AllRowsUsedOnce();
        if (result.WeightsSha256 != golden.Result.WeightsSha256)
            return $"it ended in the hash {result.WeightsSha256[..16]} instead of {golden.Result.WeightsSha256[..16]}";
        if (!result.Steps.SequenceEqual(golden.Result.Steps))
            return "its losses are not the reference's";
        return result.Evaluations.SequenceEqual(golden.Result.Evaluations)
            ? null
            : "its evaluations are not the reference's";
    }
}
