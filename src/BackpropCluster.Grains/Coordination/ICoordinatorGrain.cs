using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Telemetry;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Coordination;

/// <summary>Runs the epochs of one run.</summary>
/// <remarks>Key <c>{run}</c>.</remarks>
[Alias("backprop.coordinator")]
public interface ICoordinatorGrain : IGrainWithStringKey
{
    /// <summary>Takes the lead of a run at the term after <paramref name="term"/>; does nothing if it leads the run in
    /// a higher one already.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="term">The highest term that the caller knows.</param>
    /// <param name="deadline">How long a step may take without progress.</param>
    /// <param name="runFile">The run file's text, kept for clients that come later; empty where none will.</param>
    /// <returns>The plan as it is led, which may be cut and placed otherwise than the caller's.</returns>
    /// <exception cref="RunTakenException">The id belongs to a run of another run file.</exception>
    /// <exception cref="SiloRefusedException">A silo cannot take part: its data files are missing or
    /// differ.</exception>
    [Alias("Start")]
    ValueTask<RunPlan> Start(RunPlan plan, int term, TimeSpan deadline, string runFile);

    /// <summary>Goes on with a run that the catalog calls running, if nobody leads it. Called by every silo now and
    /// then.</summary>
    [Alias("Wake")]
    ValueTask Wake();

    /// <summary>What happened since the caller last looked; answers as soon as there is news, and after a second at the
    /// latest.</summary>
    /// <returns><see langword="null"/> if this activation leads no run: the one that did is gone, or is about
    /// to.</returns>
    /// <param name="seenSteps">How many steps' metrics the caller has.</param>
    /// <param name="seenEvaluations">How many of evaluations.</param>
    /// <param name="seenTraces">How many traces; the oldest are forgotten where nobody asks for them.</param>
    [Alias("Watch")]
    ValueTask<RunProgress?> Watch(int seenSteps, int seenEvaluations, int seenTraces = int.MaxValue);

    /// <summary>Takes what an exchange or the store says.</summary>
    [OneWay, Alias("Take")]
    void Take(Message message);

    /// <summary>Takes what the actors of a silo did in a traced step.</summary>
    [OneWay, Alias("Traced")]
    void Traced(StepSpans spans);

    /// <summary>Ends the run at the next step boundary, after a checkpoint; <see cref="Watch"/> tells when that is
    /// done.</summary>
    [Alias("Interrupt")]
    ValueTask Interrupt();

    /// <summary>A silo wants to leave. Asked again until it may: its actors move at the next step boundary.</summary>
    /// <returns>Whether nothing of the run stands there any more.</returns>
    [Alias("Leave")]
    ValueTask<bool> Leave(string silo);
}

/// <summary>A run id is in use by another run file.</summary>
[GenerateSerializer, Alias("run-taken")]
public sealed class RunTakenException(string run)
    : Exception($"run id {run} is in use in this cluster by another run file. Nothing was started. Choose another id.");

/// <summary>Some silo of the cluster cannot take part in a run.</summary>
[GenerateSerializer, Alias("silo-refused")]
public sealed class SiloRefusedException(string objections)
    : Exception(
        $"{objections}. Nothing was started. Put the same files on every silo, or stop the silos that lack them."
    );

/// <summary>The silo that was asked to lead a run is on its way out of the cluster: to be asked again, which reaches
/// another one.</summary>
[GenerateSerializer, Alias("silo-leaving")]
public sealed class SiloLeavingException(string silo)
    : OrleansException($"silo {silo} is leaving the cluster and leads no new run");
