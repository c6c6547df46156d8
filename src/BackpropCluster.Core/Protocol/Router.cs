namespace BackpropCluster.Core.Protocol;

/// <summary>Whom the words of an exchange or a coordinator are for, as a plan and a placement have it. Made once a
/// term, since neither changes within one.</summary>
/// <typeparam name="T">A carrier's address of an actor: a grain, or a place in a simulation.</typeparam>
public sealed class Router<T>
{
    private readonly T[] everyone;
    private readonly T[] source;
    private readonly T[] loss;
    private readonly T[][] layers;
    private readonly T[][] exchanges;

    internal Router(T[] everyone, T[] source, T[] loss, T[][] layers, T[][] exchanges) =>
        (this.everyone, this.source, this.loss, this.layers, this.exchanges) = (
            everyone,
            source,
            loss,
            layers,
            exchanges
        );

    /// <summary>All that the speaker speaks for: the parts of its silo, or the silos that hold parts. Who was among
    /// them in the term before and is not now is to be let go.</summary>
    public IReadOnlyList<T> Everyone => everyone;

    /// <summary>The addresses that a message is for.</summary>
    /// <exception cref="InvariantViolationException">The speaker never speaks to such.</exception>
    public ReadOnlySpan<T> ReceiversOf(Recipients to) =>
        to.Kind switch
        {
            RecipientKind.Everyone => everyone,
            RecipientKind.Source => source,
            RecipientKind.Loss => loss,
            RecipientKind.Layer => layers[to.Number - 1],
            RecipientKind.Exchange => exchanges[to.Number],
            _ => throw new InvariantViolationException($"{to.Kind} stands in no placement"),
        };
}

/// <summary>Makes routers.</summary>
public static class Router
{
    /// <summary>One that knows nobody yet.</summary>
    public static Router<T> Nowhere<T>() => new([], [], [], [], []);

    /// <summary>Of an exchange: the parts of its silo, and the exchanges of all.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="placement">Who stands where.</param>
    /// <param name="silo">The exchange's silo, as the placement names it.</param>
    /// <param name="part">The address of a part of that silo.</param>
    /// <param name="exchange">The address of the exchange of a silo, by its name.</param>
    public static Router<T> OfExchange<T>(
        RunPlan plan,
        Placement placement,
        string silo,
        Func<ActorId, T> part,
        Func<string, T> exchange
    )
    {
        var here = placement
            .ActorsOn(plan, placement.Silos.IndexOf(silo))
            .Select(id => (Id: id, Address: part(id)))
            .ToArray();
        T[] Only(Func<ActorId, bool> isMeant) => [.. here.Where(p => isMeant(p.Id)).Select(p => p.Address)];
        return new Router<T>(
            Only(_ => true),
            Only(id => id.Kind == ActorRole.Source),
            Only(id => id.Kind == ActorRole.Loss),
            [
                .. Enumerable
                    .Range(1, plan.Depth)
                    .Select(layer => Only(id => id.Kind == ActorRole.Shard && id.Layer == layer)),
            ],
            [.. placement.Silos.Select(other => new[] { exchange(other) })]
        );
    }

    /// <summary>Of a coordinator: the exchanges of the silos that hold parts. One without parts would be waited for by
    /// nobody, so it could fall behind what is committed, ask for Restore and stop all others.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="placement">Who stands where.</param>
    /// <param name="exchange">The address of the exchange of a silo, by its name.</param>
    public static Router<T> OfCoordinator<T>(RunPlan plan, Placement placement, Func<string, T> exchange)
    {
        var used = placement
            .Silos.Where(placement.Uses)
            .Select(silo => (Silo: placement.Silos.IndexOf(silo), Address: exchange(silo)))
            .ToArray();
        return new Router<T>(
            [.. used.Select(u => u.Address)],
            [.. used.Where(u => placement.HasSource(plan, u.Silo)).Select(u => u.Address)],
            [],
            [],
            []
        );
    }
}
